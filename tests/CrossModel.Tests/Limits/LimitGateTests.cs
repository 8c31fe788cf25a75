using CrossModel.Accounts;
using CrossModel.Limits;
using CrossModel.Storage;
using CrossModel.Tests.Support;
using CsCheck;

namespace CrossModel.Tests.Limits;

public sealed class LimitGateTests : OneGate
{
    [Fact]
    public async Task Admit_NoLimits_GivesTheOneSeatAndRemembersNobody()
    {
        var caller = Gates.Caller();
        Assert.Same(Seat.None, await Gate.SeatAsync(caller, 1_000_000, 1_000_000));
        Assert.Empty(Gate.Headers(caller));
        Assert.Equal(0, Gate.Count);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1000; i++) (await Gate.AdmitAsync(caller, null, 1, 1, CancellationToken.None)).Seat!.Dispose();
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    /// <summary>Others are counted between a call's end and the lock that it waits for: their tokens keep their own time in the window.</summary>
    [Fact]
    public async Task Tokens_CountedWhileAnotherCallEnds_LeaveTheWindowNoneTooEarly()
    {
        long now = 0;
        Action? meanwhile = null;
        var account = new AccountTally("acc_1", shared: false, () =>
        {
            var read = Volatile.Read(ref now);
            Interlocked.Exchange(ref meanwhile, null)?.Invoke();
            return read;
        });
        Seat? Judge(long tokens)
        {
            lock (account.Gate) return account.Judge(new Arrival(Gates.Caller(new Terms { TokensPerMinute = 100 }), null, tokens, 0, null), day: 0).Answer.Seat;
        }
        async Task JudgeAsync()
        {
            await Task.Yield();
            Assert.NotNull(Judge(50));
        }
        void At(double seconds) => Volatile.Write(ref now, TimeSpan.FromSeconds(seconds).Ticks);

        var first = Judge(10)!;
        At(1);
        Task? other = null;
        meanwhile = () =>
        {
            At(1.9);
            other = JudgeAsync();
            // Not longer: where the lock is held it comes after.
            other.Wait(TimeSpan.FromMilliseconds(200), CancellationToken.None);
        };
        first.Correct(40, 0);
        await other!;
        At(61.5);
        Assert.Null(Judge(60));
        At(61.9);
        Assert.NotNull(Judge(60));
    }

    [Fact]
    public async Task Admit_Limited_AllocatesTheSeatAlone()
    {
        var terms = new Terms { RequestsPerMinute = 100_000, TokensPerMinute = 100_000, Parallel = 10, SpendDay = Gates.Usd };
        var caller = Gates.Caller(terms, terms);
        (await Gate.SeatAsync(caller)).Dispose();
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1000; i++) (await Gate.AdmitAsync(caller, null, 1, 1, CancellationToken.None)).Seat!.Dispose();
        Assert.InRange((GC.GetAllocatedBytesForCurrentThread() - before) / 1000, 1, 128);
    }

    [Fact]
    public async Task Admit_RequestsOverTheLimit_IsRefusedUntilTheRetryAfter()
    {
        var caller = Gates.Caller(new Terms { RequestsPerMinute = 2 });
        (await Gate.SeatAsync(caller)).Dispose();
        Clock.Advance(TimeSpan.FromSeconds(19.5));
        (await Gate.SeatAsync(caller)).Dispose();
        var refusal = await Gate.RefusalAsync(caller);
        Assert.Equal((429, "rate_limit_exceeded"), (refusal.Status, refusal.Code));
        Assert.Contains("rpm of this key", refusal.Message, StringComparison.Ordinal);
        Assert.Equal(40.5, refusal.RetryAfter!.Value.TotalSeconds, 0.001);
        Assert.Contains("Retry after 41 s.", refusal.Message, StringComparison.Ordinal);
        Assert.Equal("41s", Gate.Headers(caller)["x-ratelimit-reset-requests"]);
        Clock.Advance(TimeSpan.FromSeconds(40.4));
        await Gate.RefusalAsync(caller);
        Clock.Advance(TimeSpan.FromSeconds(0.101));
        (await Gate.SeatAsync(caller)).Dispose();
        await Gate.RefusalAsync(caller);
    }

    /// <summary>Of a small limit each request has its own moment.</summary>
    [Fact]
    public async Task Requests_HalfASecondApart_AreFreeHalfASecondApart()
    {
        var caller = Gates.Caller(new Terms { RequestsPerMinute = 2 });
        (await Gate.SeatAsync(caller)).Dispose();
        Clock.Advance(TimeSpan.FromSeconds(0.5));
        (await Gate.SeatAsync(caller)).Dispose();
        Clock.Advance(TimeSpan.FromSeconds(59.6));
        (await Gate.SeatAsync(caller)).Dispose();
        await Gate.RefusalAsync(caller);
    }

    [Fact]
    public async Task Admit_TwoLimitsReached_NamesTheOneThatIsWaitedForLonger()
    {
        var seat = await Gate.SeatAsync(Gates.Caller(new Terms { RequestsPerMinute = 1, Parallel = 1 }, new Terms { Parallel = 1 }));
        Clock.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal(50, (await Gate.RefusalAsync(Gates.Caller(new Terms { RequestsPerMinute = 1, Parallel = 1 }, new Terms { Parallel = 1 }))).RetryAfter!.Value.TotalSeconds, 0.001);
        seat.Dispose();
    }

    [Fact]
    public async Task Admit_RefusedByTheAccount_TakesNothingOfTheKey()
    {
        var blocked = new Terms { Parallel = 1 };
        var first = await Gate.SeatAsync(Gates.Caller(account: blocked, id: "other"));
        var caller = Gates.Caller(new Terms { RequestsPerMinute = 5, TokensPerMinute = 1000, SpendDay = Gates.Usd }, blocked);
        for (var i = 0; i < 10; i++) Assert.Contains("parallel of this account", (await Gate.RefusalAsync(caller, 100, Gates.Usd / 2)).Message, StringComparison.Ordinal);
        var headers = Gate.Headers(caller);
        Assert.Equal("5", headers["x-ratelimit-remaining-requests"]);
        Assert.Equal("1000", headers["x-ratelimit-remaining-tokens"]);
        first.Dispose();
        (await Gate.SeatAsync(caller, 1000, Gates.Usd)).Dispose();
    }

    [Fact]
    public async Task Admit_ParallelFull_IsRefusedWithRetryAfterOneUntilASeatIsDisposed()
    {
        var caller = Gates.Caller(new Terms { Parallel = 2 });
        var first = await Gate.SeatAsync(caller);
        using var second = await Gate.SeatAsync(caller);
        Assert.Equal(TimeSpan.FromSeconds(1), (await Gate.RefusalAsync(caller)).RetryAfter);
        first.Dispose();
        first.Dispose();
        using var third = await Gate.SeatAsync(caller);
        await Gate.RefusalAsync(caller);
    }

    [Fact]
    public async Task Admit_TokensAboveTheLimit_AdmitsALoneCallAndNoSecond()
    {
        var caller = Gates.Caller(new Terms { TokensPerMinute = 100 });
        using var lone = await Gate.SeatAsync(caller, 5000);
        var refusal = await Gate.RefusalAsync(caller, 1);
        Assert.Contains("tpm of this key", refusal.Message, StringComparison.Ordinal);
        Assert.Equal("0", Gate.Headers(caller)["x-ratelimit-remaining-tokens"]);
        lone.Correct(30, 0);
        Assert.Equal("70", Gate.Headers(caller)["x-ratelimit-remaining-tokens"]);
        (await Gate.SeatAsync(caller, 70)).Dispose();
    }

    [Fact]
    public async Task Correct_MoreThanHeld_CountsTheRestFromNow()
    {
        var caller = Gates.Caller(new Terms { TokensPerMinute = 100 });
        var seat = await Gate.SeatAsync(caller, 10);
        Clock.Advance(TimeSpan.FromSeconds(90));
        seat.Correct(80, 0);
        seat.Correct(1000, 0);
        seat.Dispose();
        Assert.Equal("30", Gate.Headers(caller)["x-ratelimit-remaining-tokens"]);
        Assert.Equal("1m0s", Gate.Headers(caller, 31)["x-ratelimit-reset-tokens"]);
    }

    [Fact]
    public async Task Dispose_NeverCorrected_CountsAsARequestOnly()
    {
        var caller = Gates.Caller(new Terms { RequestsPerMinute = 10, TokensPerMinute = 100, SpendDay = Gates.Usd });
        (await Gate.SeatAsync(caller, 100, Gates.Usd)).Dispose();
        var headers = Gate.Headers(caller);
        Assert.Equal("9", headers["x-ratelimit-remaining-requests"]);
        Assert.Equal("100", headers["x-ratelimit-remaining-tokens"]);
        (await Gate.SeatAsync(caller, 100, Gates.Usd)).Dispose();
    }

    [Fact]
    public async Task Headers_KeyAndAccountLimited_ShowTheTighter()
    {
        var account = new Terms { RequestsPerMinute = 10 };
        for (var i = 0; i < 8; i++) (await Gate.SeatAsync(Gates.Caller(account: account, id: "other"))).Dispose();
        var caller = Gates.Caller(new Terms { RequestsPerMinute = 5 }, account);
        (await Gate.SeatAsync(caller)).Dispose();
        var headers = Gate.Headers(caller);
        Assert.Equal("10", headers["x-ratelimit-limit-requests"]);
        Assert.Equal("1", headers["x-ratelimit-remaining-requests"]);
        Assert.Equal("0s", headers["x-ratelimit-reset-requests"]);
        Assert.False(headers.ContainsKey("x-ratelimit-limit-tokens"));
    }

    [Fact]
    public async Task Admit_RotatedKey_SharesTheLimitsOfItsLine()
    {
        var terms = new Terms { RequestsPerMinute = 1 };
        var old = Gates.Caller(terms);
        (await Gate.SeatAsync(old)).Dispose();
        await Gate.RefusalAsync(old with { Key = old.Key with { Id = "key_2", Line = old.Key.Line } });
    }

    [Fact]
    public async Task Sweep_IdleKeysAndAccounts_AreForgottenAndBusyOnesKept()
    {
        var terms = new Terms { RequestsPerMinute = 100 };
        for (var i = 0; i < 1000; i++) (await Gate.SeatAsync(Gates.Caller(terms, id: "k" + i, accountId: "a" + i))).Dispose();
        using var busy = await Gate.SeatAsync(Gates.Caller(terms, id: "busy", accountId: "busy"));
        Assert.Equal(1001, Gate.Count);
        for (var turn = 0; turn < 10_000 && Gate.Count > 1; turn++)
        {
            Clock.Advance(TimeSpan.FromMinutes(1));
            await Task.Yield(); // the sweep runs beside the test
        }
        Assert.Equal(1, Gate.Count);
    }

    /// <summary>A call counts for a minute after it has begun, and what it takes beyond its hold for a minute after its end, however long it was.</summary>
    [Fact]
    public async Task Sweep_OfCallsThatCountStill_ForgetsNone()
    {
        var (brief, lengthy) = (Gates.Caller(new Terms { RequestsPerMinute = 1 }, id: "1", accountId: "1"), Gates.Caller(new Terms { TokensPerMinute = 100 }, id: "2", accountId: "2"));
        var seat = await Gate.SeatAsync(lengthy, 10);
        Clock.Advance(TimeSpan.FromSeconds(385));
        seat.Correct(80, 0);
        seat.Dispose();
        (await Gate.SeatAsync(brief)).Dispose();
        Clock.Advance(TimeSpan.FromSeconds(35));
        await Task.Delay(50, TestContext.Current.CancellationToken); // the sweep runs beside the test
        await Gate.RefusalAsync(brief);
        Assert.Equal("30", Gate.Headers(lengthy)["x-ratelimit-remaining-tokens"]);
    }

    [Fact]
    public async Task Admit_FromManyThreads_NeverGivesMoreSeatsThanThereAre()
    {
        var caller = Gates.Caller(new Terms { Parallel = 3 }, new Terms { Parallel = 5 });
        var (inside, most, admitted) = (0, 0, 0);
        await Parallel.ForAsync(0, 20_000, new ParallelOptions { MaxDegreeOfParallelism = 16 }, async (_, ct) =>
        {
            var answer = await Gate.AdmitAsync(caller, null, 1, 0, ct);
            if (answer.Seat is not { } seat)
            {
                await Task.Yield(); // else those who are refused keep every thread from those who would leave
                return;
            }
            var now = Interlocked.Increment(ref inside);
            InterlockedMax(ref most, now);
            Interlocked.Increment(ref admitted);
            await Task.Yield();
            Interlocked.Decrement(ref inside);
            seat.Dispose();
        });
        Assert.InRange(most, 1, 3);
        Assert.True(admitted > 3);
        var seats = new List<Seat> { await Gate.SeatAsync(caller), await Gate.SeatAsync(caller), await Gate.SeatAsync(caller) };
        await Gate.RefusalAsync(caller);
        seats.ForEach(seat => seat.Dispose());
    }

    // Steps of more than a second, so that moments shared within a second are no approximation and the reference must agree exactly;
    // and none that sum to a minute, where a clock's rounding decides.
    private static readonly Gen<(int Seconds, int Tokens, int Cost, bool OtherKey, bool End)[]> Calls =
        Gen.Select(Gen.Int[0, 9], Gen.Int[1, 40], Gen.Int[1, 30], Gen.Bool, Gen.Bool).Array[1, 120];

    [Fact]
    public async Task Admit_AnySequenceOfCalls_AgreesWithAListOfAllCalls() => await Calls.SampleAsync(async calls =>
    {
        await using var gate = Gates.Open(Database);
        var account = new Terms { RequestsPerMinute = 12, TokensPerMinute = 150, Parallel = 6 };
        Caller[] callers = [Gates.Caller(new Terms { RequestsPerMinute = 8, TokensPerMinute = 90, Parallel = 4 }, account, "one"), Gates.Caller(Terms.None, account, "two")];
        var past = new List<Past>();
        foreach (var (seconds, tokens, cost, otherKey, end) in calls)
        {
            Clock.Advance(TimeSpan.FromSeconds(seconds * 1.013));
            var (now, caller) = (Clock.GetUtcNow(), callers[otherKey ? 1 : 0]);
            if (end && past.Find(call => call.Seat is not null) is { } running)
            {
                running.Seat!.Correct(cost, 0);
                running.Seat.Dispose();
                if (cost > running.Tokens) past.Add(new Past(now, running.Key, cost - running.Tokens, 0, null));
                else running.Tokens = cost;
                running.Seat = null;
            }
            var fits = Fits(past.Where(call => call.Key == caller.Key.Id), caller.Key.Terms, now, tokens) && Fits(past, account, now, tokens);
            var answer = await gate.AdmitAsync(caller, null, tokens, 0);
            Assert.Equal(fits, answer.Seat is not null);
            if (answer.Seat is not null) past.Add(new Past(now, caller.Key.Id, tokens, 1, answer.Seat));
        }
    }, iter: 200, threads: 1);

    private static bool Fits(IEnumerable<Past> past, Terms terms, DateTimeOffset now, long tokens)
    {
        var calls = past.ToList();
        var recent = calls.Where(call => call.Time > now.AddMinutes(-1)).ToList();
        return !(recent.Sum(call => call.Requests) + 1 > terms.RequestsPerMinute) && !(recent.Sum(call => call.Tokens) + tokens > terms.TokensPerMinute)
            && !(calls.Count(call => call.Seat is not null) + 1 > terms.Parallel);
    }

    private sealed record Past(DateTimeOffset Time, string Key, long Held, int Requests, Seat? First)
    {
        public long Tokens { get; set; } = Held;
        public Seat? Seat { get; set; } = First;
    }

    private static void InterlockedMax(ref int most, int value)
    {
        for (var seen = most; value > seen; seen = most)
            if (Interlocked.CompareExchange(ref most, value, seen) == seen) return;
    }
}
