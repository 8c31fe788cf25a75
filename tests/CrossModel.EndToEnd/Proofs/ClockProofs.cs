using CrossModel.Accounts;
using CrossModel.EndToEnd.Support;
using CrossModel.Tests.Support;

namespace CrossModel.EndToEnd.Proofs;

/// <summary>A clock that is set back and forth under calls: the books go on, and limits do not notice.</summary>
public sealed class ClockProofs
{
    private const int CompletionTokens = 50;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Clock_JumpingBackAndForth_ChargesOnceAndKeepsTheLimits(bool postgres)
    {
        var clock = new ShiftedClock();
        await using var upstream = await ProofUpstream.StartAsync(CompletionTokens, () => TimeSpan.FromMilliseconds(20));
        var database = await TestDatabase.NewAddressAsync(postgres);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl,
            """ "test/model": { "routes": [ { "upstream": "up", "model": "m" } ], "price": { "input": 1.00, "output": 2.00 } } """, database: database, time: clock);
        await using var site = await ProofSite.MakeAsync(database, upstream.BaseUrl);
        var key = await gateway.NewKeyAsync("crowd", 1000m, keyTerms: new Terms { RequestsPerMinute = 60 });
        var log = new CallLog();
        TimeSpan[] jumps = [TimeSpan.Zero, TimeSpan.FromHours(-1), TimeSpan.FromDays(-40), TimeSpan.FromDays(1), TimeSpan.FromSeconds(-2), TimeSpan.FromDays(-400)];
        foreach (var jump in jumps)
        {
            // Twelve calls are in flight while the clock jumps.
            var calls = Enumerable.Range(0, 12).Select(async i => log.Add(await ProofCaller.CallAsync(gateway.Http, key, ProofCaller.Body(i % 2 == 0, CompletionTokens)))).ToList();
            clock.Offset += jump;
            await Task.WhenAll(calls);
        }

        var charges = await site.ChargesAsync("crowd");
        var (balance, _) = await site.MoneyAsync("crowd");
        ProofMode.Print($"clock jumping {jumps.Length} times, {(postgres ? "PostgreSQL" : "SQLite")}", $"{log.Acknowledged} replies acknowledged, {charges.Count} charges, {log.Count(CallEnd.Refused)} refused by a limit of 60 a minute");
        Assert.Equal(60, log.Acknowledged);
        Assert.All(log.All.Where(c => c.End == CallEnd.Refused), c => Assert.Equal(429, c.Status));
        Assert.All(log.Whole, c => Assert.Equal(c.Cost, charges[c.RequestId!]));
        Assert.Equal(log.Acknowledged, charges.Count);
        Assert.Equal(1000_000_000_000 - charges.Values.Sum(), balance);
        foreach (var id in charges.Keys) Assert.Equal(200, (int)(await gateway.Http.GetAsync("/v1/requests/" + id, key)).Status);
        await site.AssertBooksAgreeAsync("crowd");
    }

    private sealed class ShiftedClock : TimeProvider
    {
        private long _offset;

        public TimeSpan Offset
        {
            get => new(Interlocked.Read(ref _offset));
            set => Interlocked.Exchange(ref _offset, value.Ticks);
        }

        public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + Offset;
    }
}
