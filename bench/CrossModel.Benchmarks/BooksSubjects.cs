using CrossModel.Accounts;
using CrossModel.Billing;
using CrossModel.Configuration;
using CrossModel.Limits;
using CrossModel.Protocol;
using CrossModel.Storage;
using CrossModel.Usage;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;

namespace CrossModel.Benchmarks;

/// <summary>What a call asks of the books: the key, the limits, the hold, the settlement. On a SQLite file of its own.</summary>
internal static class BooksSubjects
{
    private const int AtOnce = 64;

    public static async Task MeasureAsync(List<Measured> measured)
    {
        var folder = Directory.CreateTempSubdirectory("crossmodel-bench-").FullName;
        try
        {
            await MeasureAsync(measured, "sqlite:" + Path.Combine(folder, "books.db"));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task MeasureAsync(List<Measured> measured, string address)
    {
        var log = NullLogger.Instance;
        await using var database = await Database.OpenAsync(address, new DatabaseOptions(new StorageConfig { Synchronous = "normal" }, TimeProvider.System, Server: true, log), default);
        await using var changes = new ChangeFeed(database, log);
        using var keys = new KeyRing(database, changes, () => TimeSpan.FromMinutes(1));
        await using var books = new Books(database, log);
        await using var purses = await Purses.StartAsync(books);
        await using var limits = new LimitGate(database, database.IsShared, log);
        var settlements = new Settlements(books);
        await changes.StartAsync();

        var terms = new Terms { RequestsPerMinute = long.MaxValue / 4, TokensPerMinute = long.MaxValue / 4, Parallel = int.MaxValue, SpendDay = long.MaxValue / 4 };
        var key = await database.WriteAsync(async session =>
        {
            var account = (await AccountStore.CreateAsync(session, "bench", TimeProvider.System))!;
            await new Ledger(database).CreditAsync(session, account.Id, 1_000_000_000_000_000, null, null);
            return (await KeyStore.CreateAsync(session, new KeyOrder(account.Id, "bench", null, null, terms), TimeProvider.System)).Key;
        });
        var authorization = "Bearer " + key;
        var caller = (await keys.FindAsync(authorization)).Caller!;

        measured.Add(Measure.Of("look up a known key", 1, () =>
        {
            var answer = keys.FindAsync(authorization);
            if (!answer.IsCompletedSuccessfully || answer.Result.Caller is null) throw new InvalidOperationException("the key was not known");
        }));

        await AdmitAsync();
        measured.Add(Measure.Of("admit a call with every limit", 1, () =>
        {
            var answer = limits.AdmitAsync(caller, null, 300, 1_000_000);
            if (!answer.IsCompletedSuccessfully || answer.Result.Seat is not { } seat) throw new InvalidOperationException("the call was not admitted at once");
            seat.Correct(36, 50_000);
            seat.Dispose();
        }));

        var headers = new HeaderDictionary();
        measured.Add(Measure.Of("write the x-ratelimit headers", 1, () =>
        {
            headers.Clear();
            limits.WriteHeaders(caller, null, headers);
        }));

        (await purses.HoldAsync(caller.Account, 1_000_000)).Hold!.Release();
        measured.Add(Measure.Of("hold and release", 1, () =>
        {
            var answer = purses.HoldAsync(caller.Account, 1_000_000);
            if (!answer.IsCompletedSuccessfully || answer.Result.Hold is not { } hold) throw new InvalidOperationException("the purse had no idle money");
            hold.Release();
        }));

        measured.Add(await Measure.OfAsync($"settle a reply, {AtOnce} at once", AtOnce, 20, () => Task.WhenAll(Enumerable.Range(0, AtOnce).Select(_ => SettleAsync()))));
        measured.Add(await Measure.OfAsync("settle a reply alone", 1, 50, SettleAsync));

        async Task AdmitAsync() => (await limits.AdmitAsync(caller, null, 1, 1)).Seat!.Dispose();

        async Task SettleAsync()
        {
            var hold = (await purses.HoldAsync(caller.Account, 1_000_000)).Hold!;
            var settled = await settlements.SettleAsync(new RequestRecord
            {
                Id = RequestIds.NewRequest(TimeProvider.System),
                AccountId = caller.Account.Id,
                KeyId = caller.Key.Id,
                Model = "vendor/model",
                ModelAsked = "vendor/model",
                Created = database.Now,
                Status = 200,
                Stream = false,
                Basis = Basis.Reported,
                Usage = new TokenUsage { InputTokens = 24, OutputTokens = 12 },
                PriceVersion = "abcdef123456",
                Lines = [new CostLine("input", 24, 1_000_000_000), new CostLine("output", 12, 2_000_000_000)],
                Price = 48_000,
                Attempts = [new AttemptRecord("upstream", "m-2026", "ok", 200, database.Now, 3, 5)],
                DurationMs = 5,
            }, hold);
            if (!settled.Committed) throw new InvalidOperationException("the reply was not settled");
        }
    }
}
