using CrossModel.Storage;

namespace CrossModel.Limits;

/// <summary>The table of shares: a row a subject and node, which counts until it expires.</summary>
internal sealed class ShareStore(Database database, string node)
{
    // Two seconds longer than a node uses it (see Shares).
    private const long LeaseMs = 10_000;
    // Far from what clocks may differ by.
    private const long LeftMs = 60_000;

    /// <summary>One deal at a time about a subject, over all nodes, until the transaction ends. Answers what the other nodes have of it, and how many they are.</summary>
    public async Task<(ShareAmounts Others, long Count)> BeginDealAsync(Session session, string subject)
    {
        await session.ExecuteAsync(
            "INSERT INTO limit_subject (subject, deals) VALUES (@subject, 1) ON CONFLICT (subject) DO UPDATE SET deals = limit_subject.deals + 1",
            ("@subject", subject));
        return await session.FirstAsync(
            """
            SELECT CAST(COALESCE(SUM(requests), 0) AS BIGINT), CAST(COALESCE(SUM(tokens), 0) AS BIGINT), CAST(COALESCE(SUM(parallel), 0) AS BIGINT),
                   CAST(COALESCE(SUM(spend), 0) AS BIGINT), COUNT(*)
            FROM limit_share WHERE subject = @subject AND node <> @node AND expires > @now
            """,
            row => (new ShareAmounts(row.GetInt64(0), row.GetInt64(1), row.GetInt64(2), row.GetInt64(3)), row.GetInt64(4)),
            ("@subject", subject), ("@node", node), ("@now", database.Now));
    }

    /// <summary>Ends a deal with this node's share. True: it had none before.</summary>
    public async Task<bool> EndDealAsync(Session session, string subject, ShareAmounts share)
    {
        var isNew = await session.FirstAsync("SELECT 1 FROM limit_share WHERE subject = @subject AND node = @node", _ => true,
            ("@subject", subject), ("@node", node)) is false;
        await session.ExecuteAsync(
            """
            INSERT INTO limit_share (subject, node, requests, tokens, parallel, spend, expires)
            VALUES (@subject, @node, @requests, @tokens, @parallel, @spend, @expires)
            ON CONFLICT (subject, node) DO UPDATE SET requests = excluded.requests, tokens = excluded.tokens, parallel = excluded.parallel,
              spend = excluded.spend, expires = excluded.expires
            """,
            ("@subject", subject), ("@node", node), ("@requests", share.Requests), ("@tokens", share.Tokens), ("@parallel", share.Parallel),
            ("@spend", share.Spend), ("@expires", database.Now + LeaseMs));
        return isNew;
    }

    /// <summary>Subjects of this node's that others are about, too, with the parallel seats that all nodes have of each.</summary>
    public Task<List<(string Subject, long Seats)>> WantedAsync(CancellationToken ct) => database.ReadAsync(session => session.QueryAsync(
        """
        SELECT mine.subject, CAST(mine.parallel + SUM(other.parallel) AS BIGINT) FROM limit_share mine JOIN limit_share other ON other.subject = mine.subject AND other.node <> mine.node
        WHERE mine.node = @node AND other.expires > @now GROUP BY mine.subject, mine.parallel
        """,
        row => (row.GetString(0), row.GetInt64(1)), ("@node", node), ("@now", database.Now)), ct);

    /// <summary>Prolongs what has not expired, and answers the subjects of that.</summary>
    public Task<List<string>> RenewAsync(CancellationToken ct) => database.WriteAsync(session => session.QueryAsync(
        "UPDATE limit_share SET expires = @expires WHERE node = @node AND expires > @now RETURNING subject", row => row.GetString(0),
        ("@expires", database.Now + LeaseMs), ("@node", node), ("@now", database.Now)), ct);

    /// <summary>Gives a part back; the share keeps its term.</summary>
    public Task ShrinkAsync(string subject, ShareAmounts kept, CancellationToken ct) => database.WriteAsync(session => session.ExecuteAsync(
        "UPDATE limit_share SET requests = @requests, tokens = @tokens, parallel = @parallel, spend = @spend WHERE subject = @subject AND node = @node",
        ("@requests", kept.Requests), ("@tokens", kept.Tokens), ("@parallel", kept.Parallel), ("@spend", kept.Spend), ("@subject", subject), ("@node", node)), ct);

    public Task DeleteAsync(string subject, CancellationToken ct) => database.WriteAsync(session => session.ExecuteAsync(
        "DELETE FROM limit_share WHERE subject = @subject AND node = @node", ("@subject", subject), ("@node", node)), ct);

    /// <summary>Takes away what nodes that were killed have left: a node that starts is another one, and never looks at them.</summary>
    /// <remarks>A row that somebody holds is left for the next time: whoever waits here renews nothing.</remarks>
    public Task DeleteLeftAsync(CancellationToken ct) => database.WriteAsync(session => session.ExecuteAsync(
        $"""
        DELETE FROM limit_share WHERE (subject, node) IN
          (SELECT s.subject, s.node FROM limit_share s WHERE s.node <> @node AND s.expires < @before{database.FreeRowLock("s")})
        """,
        ("@node", node), ("@before", database.Now - LeftMs)), ct);

    public Task DeleteAllAsync() => database.WriteAsync(session => session.ExecuteAsync("DELETE FROM limit_share WHERE node = @node", ("@node", node)));
}
