using CrossModel.Accounts;
using CrossModel.Limits;
using CrossModel.Storage;

namespace CrossModel.Tests.Limits;

/// <summary>One node and the rows of others, on a clock of the test's own.</summary>
public abstract class OneNode() : OneGate(shared: true)
{
    private protected static readonly Caller Limited = Gates.Caller(account: new Terms { RequestsPerMinute = 10, Parallel = 10 });

    private protected Task<int> OtherNodeAsync(long share, TimeSpan term) => Database.WriteAsync(session => session.ExecuteAsync(
        """
        INSERT INTO limit_share (subject, node, requests, tokens, parallel, spend, expires) VALUES (@subject, 'other', @share, 0, @share, 0, @expires)
        ON CONFLICT (subject, node) DO UPDATE SET requests = excluded.requests, parallel = excluded.parallel, expires = excluded.expires
        """,
        ("@subject", "account:" + Limited.Account.Id), ("@share", share), ("@expires", Database.Now + (long)term.TotalMilliseconds)));

    /// <summary>What the database says that this node has, and until when (unix milliseconds); null: nothing.</summary>
    private protected Task<(ShareAmounts Amounts, long Expires)?> RowAsync(Caller caller) => Database.ReadAsync(session => session.FirstAsync<(ShareAmounts, long)?>(
        "SELECT requests, tokens, parallel, spend, expires FROM limit_share WHERE subject = @subject AND node <> 'other'",
        row => (new ShareAmounts(row.GetInt64(0), row.GetInt64(1), row.GetInt64(2), row.GetInt64(3)), row.GetInt64(4)), ("@subject", "account:" + caller.Account.Id)));

    /// <summary>The upkeep runs beside the test, and needs time of its own.</summary>
    private protected static async Task UntilAsync(Func<Task<bool>> isSo)
    {
        for (var i = 0; !await isSo(); i++)
        {
            Assert.True(i < 2000, "It did not come.");
            await Task.Delay(5, TestContext.Current.CancellationToken);
        }
    }

    // The node waits on the clock for others to give back. Time passes only then: while the disk works it would pass by minutes, and leases run out.
    private protected async Task<Seat?> AdmitAsync(Caller? caller = null, long tokens = 1, long cost = 0)
    {
        var admit = Gate.AdmitAsync(caller ?? Limited, null, tokens, cost, TestContext.Current.CancellationToken).AsTask();
        while (await Task.WhenAny(admit, Task.Delay(1, TestContext.Current.CancellationToken)) != admit)
            if (Clock.IsAwaited) Clock.Advance(TimeSpan.FromMilliseconds(250));
        return (await admit).Seat;
    }
}
