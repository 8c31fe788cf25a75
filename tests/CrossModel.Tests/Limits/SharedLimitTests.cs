using CrossModel.Accounts;
using CrossModel.Limits;
using CrossModel.Storage;
using CrossModel.Tests.Support;

namespace CrossModel.Tests.Limits;

/// <summary>Two and three nodes on one database, in real time: what they admit together.</summary>
public abstract class SharedLimitContract(bool postgres)
{
    private async Task<(Database[] Databases, LimitGate[] Gates)> OpenAsync(int nodes)
    {
        var address = await TestDatabase.NewAddressAsync(postgres);
        var databases = new Database[nodes];
        for (var i = 0; i < nodes; i++) databases[i] = await TestDatabase.OpenAsync(address);
        return (databases, [.. databases.Select(database => Gates.Open(database, shared: true))]);
    }

    private static async Task CloseAsync(Database[] databases, LimitGate[] gates)
    {
        foreach (var gate in gates) await gate.DisposeAsync();
        foreach (var database in databases) await database.DisposeAsync();
    }

    [Theory]
    [InlineData(5)]
    [InlineData(19)]
    [InlineData(200)]
    public async Task Requests_FromTwoNodesAtOnce_AreTheLimitInAllAndNearlyAllOfIt(int limit)
    {
        var (databases, gates) = await OpenAsync(2);
        var caller = Gates.Caller(account: new Terms { RequestsPerMinute = limit });
        var admitted = 0;
        // Several rounds: a node that comes late finds the other's idle share given back.
        for (var round = 0; round < 4; round++)
        {
            await Parallel.ForAsync(0, limit, new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (i, ct) =>
            {
                var answer = await gates[i % 2].AdmitAsync(caller, null, 1, 0, ct);
                if (answer.Seat is null) return;
                answer.Seat.Dispose();
                Interlocked.Increment(ref admitted);
            });
            var left = gates.Sum(gate => int.Parse(gate.Headers(caller)["x-ratelimit-remaining-requests"]!, null));
            Assert.InRange(left, 0, limit - admitted);
        }
        Assert.InRange(admitted, limit * 9 / 10, limit);
        await CloseAsync(databases, gates);
    }

    [Fact]
    public async Task Tokens_FromThreeNodesAtOnce_AreTheLimitInAll()
    {
        var (databases, gates) = await OpenAsync(3);
        var caller = Gates.Caller(new Terms { TokensPerMinute = 10_000 });
        var tokens = 0;
        await Parallel.ForAsync(0, 300, new ParallelOptions { MaxDegreeOfParallelism = 12 }, async (i, ct) =>
        {
            var answer = await gates[i % 3].AdmitAsync(caller, null, 100, 0, ct);
            if (answer.Seat is not { } seat) return;
            seat.Correct(100, 0);
            seat.Dispose();
            Interlocked.Add(ref tokens, 100);
        });
        Assert.InRange(tokens, 8_000, 10_000);
        await CloseAsync(databases, gates);
    }

    [Fact]
    public async Task Parallel_SeatFreedOnOneNode_IsFreeOnTheOther()
    {
        var (databases, gates) = await OpenAsync(2);
        var caller = Gates.Caller(new Terms { Parallel = 2 });
        var here = await gates[0].SeatAsync(caller);
        var there = await gates[1].SeatAsync(caller);
        Assert.Equal(429, (await gates[0].RefusalAsync(caller)).Status);
        Assert.Equal(429, (await gates[1].RefusalAsync(caller)).Status);
        here.Dispose();
        var seat = await AdmitWithin5sAsync(gates[1], caller);
        Assert.NotNull(seat);
        Assert.Equal(429, (await gates[0].RefusalAsync(caller)).Status);
        seat.Dispose();
        there.Dispose();
        await CloseAsync(databases, gates);
    }

    /// <summary>Who calls one node after the other never has two seats: the one just left on the other node is his.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(6)]
    public async Task Parallel_CallsOneAfterTheOtherOnTwoNodes_AreAdmitted(int limit)
    {
        var (databases, gates) = await OpenAsync(2);
        var caller = Gates.Caller(new Terms { Parallel = limit });
        var (refused, refusedAtOnce) = (0, 0);
        for (var i = 0; i < 8; i++)
        {
            var seats = new List<Seat>();
            while (seats.Count < limit)
            {
                var asked = TimeProvider.System.GetTimestamp();
                var answer = await gates[i % 2].AdmitAsync(caller, null, 1, 0, TestContext.Current.CancellationToken);
                if (answer.Seat is { } seat)
                {
                    seats.Add(seat);
                    continue;
                }
                refused++;
                if (TimeProvider.System.GetElapsedTime(asked) < Shares.Tick) refusedAtOnce++;
                await Task.Delay(500, TestContext.Current.CancellationToken);
            }
            foreach (var seat in seats) seat.Dispose();
        }
        // None, but on a machine so busy that a node's ticks come late. Without the wait it is one in each of the seven rounds that change the node.
        Assert.InRange(refused, 0, 3);
        // What a call was refused before the other node's tick is no word on the calls after it.
        Assert.Equal(0, refusedAtOnce);
        await CloseAsync(databases, gates);
    }

    /// <summary>What a node may keep ahead it keeps only as long as nobody lacks it: of 40 it would be two.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(20)]
    public async Task Parallel_AllThatAnotherNodeDoesNotUse_IsFree(int there)
    {
        var (databases, gates) = await OpenAsync(2);
        var caller = Gates.Caller(new Terms { Parallel = 40 });
        var seats = new List<Seat>();
        for (var i = 0; i < there; i++) seats.Add(await gates[1].SeatAsync(caller));
        (await gates[0].SeatAsync(caller)).Dispose();
        (await gates[1].SeatAsync(caller)).Dispose();
        while (seats.Count < 40)
        {
            var seat = await AdmitWithin5sAsync(gates[0], caller);
            Assert.NotNull(seat);
            seats.Add(seat);
        }
        Assert.Equal(429, (await gates[1].RefusalAsync(caller)).Status);
        foreach (var seat in seats) seat.Dispose();
        await CloseAsync(databases, gates);
    }

    /// <summary>Who never has more calls under way than he may is not refused, whichever node each of them comes to.</summary>
    [Theory]
    [InlineData(2)]
    [InlineData(6)]
    [InlineData(40)]
    public async Task Parallel_AsManyAsTheLimitOnTwoNodes_AreAdmitted(int limit)
    {
        var (databases, gates) = await OpenAsync(2);
        var caller = Gates.Caller(new Terms { Parallel = limit });
        var (calls, refused) = (20 * limit, 0);
        await Task.WhenAll(Enumerable.Range(0, limit).Select(async worker =>
        {
            var random = new Random(worker);
            for (var i = 0; i < 20; i++)
            {
                var answer = await gates[random.Next(2)].AdmitAsync(caller, null, 1, 0, TestContext.Current.CancellationToken);
                if (answer.Seat is null) Interlocked.Increment(ref refused);
                await Task.Delay(random.Next(20, 200), TestContext.Current.CancellationToken);
                answer.Seat?.Dispose();
            }
        }));
        // None, but on a machine so busy that a node's ticks come late. With one that waits at a time it is one of eight.
        Assert.InRange(refused, 0, calls / 40);
        await CloseAsync(databases, gates);
    }

    /// <summary>One waits for a seat that may come back; who asks beside him is told at once, and nobody stands in a queue for a refusal.</summary>
    [Fact]
    public async Task Parallel_ManyBeyondTheLimitOfBothNodes_AreRefusedWithoutAQueue()
    {
        var (databases, gates) = await OpenAsync(2);
        var caller = Gates.Caller(new Terms { Parallel = 2 });
        var seats = new[] { await gates[0].SeatAsync(caller), await gates[0].SeatAsync(caller) };
        Assert.Equal(429, (await gates[1].RefusalAsync(caller)).Status); // the node is new to the key by now
        var started = TimeProvider.System.GetTimestamp();
        var answers = await Task.WhenAll(Enumerable.Range(0, 40).Select(_ => gates[1].AdmitAsync(caller, null, 1, 0, TestContext.Current.CancellationToken).AsTask()));
        Assert.All(answers, answer => Assert.Equal(429, answer.Refusal?.Status));
        Assert.InRange(TimeProvider.System.GetElapsedTime(started), TimeSpan.Zero, TimeSpan.FromSeconds(5));
        foreach (var seat in seats) seat.Dispose();
        await CloseAsync(databases, gates);
    }

    /// <summary>Near the end no node keeps any of the limit to itself: what was refused as reached must be spent.</summary>
    [Fact]
    public async Task Spend_CallsOneAfterTheOtherOnThreeNodes_AreTheWholeLimit()
    {
        var (databases, gates) = await OpenAsync(3);
        var caller = Gates.Caller(new Terms { SpendDay = 1000 });
        await databases[0].StoreAsync(caller);
        for (var i = 0; i < 20; i++)
        {
            var answer = await gates[i % 3].AdmitAsync(caller, null, 1, 50, TestContext.Current.CancellationToken);
            Assert.True(answer.Seat is not null, $"call {i}, {i * 50} of 1000 spent: {answer.Refusal?.Message}");
            await databases[i % 3].ChargeAsync(caller, 50);
            answer.Seat!.Correct(1, 50);
            answer.Seat.Dispose();
        }
        Assert.Equal(402, (await gates[0].RefusalAsync(caller, cost: 50)).Status);
        await CloseAsync(databases, gates);
    }

    /// <summary>The second node has no share of any limit yet, and only one of them is reached.</summary>
    [Fact]
    public async Task Refusal_OnANodeThatIsNewToAKey_NamesTheLimitThatIsReached()
    {
        var (databases, gates) = await OpenAsync(2);
        var ofTokens = Gates.Caller(new Terms { RequestsPerMinute = 10, TokensPerMinute = 1000, Parallel = 5 });
        var ofMoney = Gates.Caller(new Terms { RequestsPerMinute = 10, Parallel = 5, SpendDay = 1000 }, id: "2");
        await databases[0].StoreAsync(ofMoney);
        var seat = await gates[0].SeatAsync(ofTokens, tokens: 1000);
        seat.Correct(1000, 0);
        seat.Dispose();
        seat = await gates[0].SeatAsync(ofMoney, cost: 1000);
        await databases[0].ChargeAsync(ofMoney, 1000);
        seat.Correct(1, 1000);
        seat.Dispose();

        // The second one is refused from memory.
        for (var i = 0; i < 2; i++) Assert.Contains("The limit tpm of this key", (await gates[1].RefusalAsync(ofTokens, tokens: 100)).Message, StringComparison.Ordinal);
        for (var i = 0; i < 2; i++) Assert.Contains("The limit spend-day of this key", (await gates[1].RefusalAsync(ofMoney, cost: 100)).Message, StringComparison.Ordinal);
        // What costs nothing is under no limit that is reached.
        (await gates[1].SeatAsync(ofMoney, cost: 0)).Dispose();
        await CloseAsync(databases, gates);
    }

    [Fact]
    public async Task Spend_FromTwoNodesAtOnce_IsTheLimitInAllAndNearlyAllOfIt()
    {
        var (databases, gates) = await OpenAsync(2);
        var caller = Gates.Caller(account: new Terms { SpendDay = 1000 });
        await databases[0].StoreAsync(caller);
        var spent = 0L;
        // Refused calls come again until the nodes have given each other what is idle.
        var started = TimeProvider.System.GetTimestamp();
        while (spent < 900 && TimeProvider.System.GetElapsedTime(started) < TimeSpan.FromSeconds(10))
        {
            await Parallel.ForAsync(0, 200, new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (i, ct) =>
            {
                var answer = await gates[i % 2].AdmitAsync(caller, null, 1, 20, ct);
                if (answer.Seat is not { } seat) return;
                await databases[i % 2].ChargeAsync(caller, 10);
                Interlocked.Add(ref spent, 10);
                seat.Correct(1, 10);
                seat.Dispose();
            });
        }
        Assert.InRange(spent, 900, 1000);
        await CloseAsync(databases, gates);
    }

    [Theory]
    [InlineData(5)]
    [InlineData(200)]
    public async Task ModelRequests_FromTwoNodesAndTwoKeys_AreTheLimitInAllForTheirAccount(int limit)
    {
        var (databases, gates) = await OpenAsync(2);
        var model = new ModelTerms("x/dear", new Terms { RequestsPerMinute = limit });
        Caller[] callers = [Gates.Caller(id: "1"), Gates.Caller(id: "2")];
        var admitted = 0;
        for (var round = 0; round < 4; round++)
        {
            await Parallel.ForAsync(0, limit, new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (i, ct) =>
            {
                if ((await gates[i % 2].AdmitAsync(callers[i / 2 % 2], model, 1, 0, ct)).Seat is not { } seat) return;
                seat.Dispose();
                Interlocked.Increment(ref admitted);
            });
            var left = gates.Sum(gate => int.Parse(gate.Headers(callers[0], model: model)["x-ratelimit-remaining-requests"]!, null));
            Assert.InRange(left, 0, limit - admitted);
        }
        Assert.InRange(admitted, limit * 9 / 10, limit);
        // Another account has the limit to itself.
        Assert.NotNull((await gates[0].AdmitAsync(Gates.Caller(id: "3", accountId: "other"), model, 1, 0)).Seat);
        await CloseAsync(databases, gates);
    }

    [Fact]
    public async Task ModelParallel_SeatMovedAwayOnOneNode_IsFreeOnTheOther()
    {
        var (databases, gates) = await OpenAsync(2);
        var (caller, model) = (Gates.Caller(), new ModelTerms("x/dear", new Terms { Parallel = 1 }));
        var here = await gates[0].SeatAsync(caller, model: model);
        Assert.Equal(429, (await gates[1].RefusalAsync(caller, model: model)).Status);
        Assert.Same(here, (await gates[0].MoveAsync(here, caller, null, 1, 0)).Seat);
        Assert.NotNull(await AdmitWithin5sAsync(gates[1], caller, model));
        here.Dispose();
        await CloseAsync(databases, gates);
    }

    // What one node gave up reaches the other with a tick; the refusals in between count for nothing.
    private protected static async Task<Seat?> AdmitWithin5sAsync(LimitGate gate, Caller caller, ModelTerms? model = null)
    {
        var started = TimeProvider.System.GetTimestamp();
        while (TimeProvider.System.GetElapsedTime(started) < TimeSpan.FromSeconds(5))
            if (await gate.AdmitAsync(caller, model, 1, 0, TestContext.Current.CancellationToken) is { Seat: { } seat }) return seat;
        return null;
    }

    [Fact]
    public async Task Node_Stopped_LeavesItsShareToTheOther()
    {
        var (databases, gates) = await OpenAsync(2);
        var caller = Gates.Caller(new Terms { Parallel = 1 });
        await gates[0].SeatAsync(caller);
        await gates[1].RefusalAsync(caller);
        await gates[0].DisposeAsync();
        Assert.NotNull(await AdmitWithin5sAsync(gates[1], caller));
        await CloseAsync(databases, gates[1..]);
    }
}

public sealed class SqliteSharedLimitTests() : SharedLimitContract(postgres: false);

public sealed class PostgresSharedLimitTests() : SharedLimitContract(postgres: true)
{
    /// <summary>It was dealt to a node that does not know of it: nobody uses it there, and the others are not kept from it.</summary>
    [Fact]
    public async Task Share_WhoseCommitWasNotAnswered_IsGivenBack()
    {
        var address = await TestDatabase.NewAddressAsync(postgres: true);
        using var wire = CutWire.Of(address, "INSERT INTO limit_share", out var cut);
        await using var database = await TestDatabase.OpenAsync(cut);
        await using var gate = Gates.Open(database, shared: true);
        var (caller, another) = (Gates.Caller(new Terms { Parallel = 1 }), Gates.Caller(new Terms { Parallel = 1 }, id: "2"));
        Assert.Equal(503, (await gate.RefusalAsync(caller)).Status);
        // The node is alive, and renews what it has.
        using var kept = await gate.SeatAsync(another);

        await using var elsewhere = await TestDatabase.OpenAsync(address);
        await using var other = Gates.Open(elsewhere, shared: true);
        using var seat = await AdmitWithin5sAsync(other, caller);
        Assert.NotNull(seat);
    }
}
