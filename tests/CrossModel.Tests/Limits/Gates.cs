using CrossModel.Accounts;
using CrossModel.Limits;
using CrossModel.Storage;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;

namespace CrossModel.Tests.Limits;

/// <summary>Callers and gates for the tests of this folder.</summary>
internal static class Gates
{
    public const long Usd = 1_000_000_000;

    public static LimitGate Open(Database database, bool shared = false) => new(database, shared, NullLogger.Instance);

    public static Caller Caller(Terms? key = null, Terms? account = null, string id = "1", string accountId = "1") => new(
        new KeyEntry("key_" + id, "acc_" + accountId, "label", "hash" + id, "cm-a", null, true, false, null, key ?? Terms.None),
        new Account("acc_" + accountId, "name" + accountId, true, 0, account ?? Terms.None));

    public static async Task<Seat> SeatAsync(this LimitGate gate, Caller caller, long tokens = 1, long cost = 0, ModelTerms? model = null)
    {
        var answer = await gate.AdmitAsync(caller, model, tokens, cost, TestContext.Current.CancellationToken);
        Assert.Null(answer.Refusal);
        return answer.Seat!;
    }

    public static async Task<CrossModel.Protocol.ApiError> RefusalAsync(this LimitGate gate, Caller caller, long tokens = 1, long cost = 0, ModelTerms? model = null)
    {
        var answer = await gate.AdmitAsync(caller, model, tokens, cost, TestContext.Current.CancellationToken);
        Assert.Null(answer.Seat);
        return answer.Refusal!;
    }

    public static HeaderDictionary Headers(this LimitGate gate, Caller caller, long tokens = 1, ModelTerms? model = null)
    {
        var headers = new HeaderDictionary();
        gate.WriteHeaders(caller, model, headers, tokens);
        return headers;
    }

    /// <summary>The rows that the books need to know the caller's key by.</summary>
    public static Task StoreAsync(this Database database, Caller caller) => database.WriteAsync(async session =>
    {
        await session.ExecuteAsync(
            "INSERT INTO account (id, name, enabled, balance, leased, credit_limit, created, changed) VALUES (@id, @name, 1, 0, 0, 0, 0, 0) ON CONFLICT DO NOTHING",
            ("@id", caller.Account.Id), ("@name", caller.Account.Name));
        await session.ExecuteAsync(
            """
            INSERT INTO api_key (id, line, account_id, name, hash, prefix, enabled, revoked, created, changed)
            VALUES (@id, @line, @account, '', @hash, '', 1, 0, 0, 0)
            """,
            ("@id", caller.Key.Id), ("@line", caller.Key.Line), ("@account", caller.Account.Id), ("@hash", caller.Key.Hash));
    });

    /// <summary>What a settlement writes for the limits.</summary>
    public static Task ChargeAsync(this Database database, Caller caller, long amount, ModelTerms? model = null) => database.WriteAsync(async session =>
    {
        var day = SpendStore.DayOf(database.Now);
        await session.ExecuteAsync(
            """
            UPDATE account SET spent_total = spent_total + @amount, spent_on = @day,
              spent_day = CASE WHEN spent_on < @day THEN @amount ELSE spent_day + @amount END,
              spent_month = CASE WHEN spent_on < @month THEN @amount ELSE spent_month + @amount END WHERE id = @id
            """,
            ("@amount", amount), ("@day", day), ("@month", SpendStore.MonthOf(day)), ("@id", caller.Account.Id));
        await SpendStore.AddToKeysAsync(session, day, new Dictionary<(string, string), long> { [(caller.Account.Id, caller.Key.Id)] = amount });
        if (model is not null)
            await SpendStore.AddToKeysAsync(session, day, new Dictionary<(string, string), long> { [(caller.Account.Id, SpendStore.KeyOfModel(model.Id))] = amount });
    });
}
