using CrossModel.Protocol;
using CrossModel.Storage;
using CrossModel.Usage;

namespace CrossModel.Billing;

/// <summary>Which requests had a wrong price, and the right one.</summary>
/// <param name="Since">Unix milliseconds, inclusive.</param>
/// <param name="Until">Unix milliseconds, exclusive.</param>
/// <param name="Price">Each request is computed by the version that holds at its own moment; where none had begun it is left alone.</param>
/// <param name="AccountId">Null: all accounts.</param>
internal sealed record RerateOrder(string Model, long Since, long Until, PriceList Price, string? AccountId = null);

/// <param name="Charged">Nano-dollars that the request has cost so far, earlier corrections included.</param>
/// <param name="RightPrice">Nano-dollars by the right price.</param>
/// <param name="Amount">Nano-dollars of the correction: positive goes back to the account.</param>
internal sealed record Rerated(string AccountId, string RequestId, long Charged, long RightPrice, long Amount);

/// <summary>
/// Computes a period anew after a wrong price and mends the difference with one correction entry a request. The records stay as they were. Doing it twice
/// changes nothing the second time, nor does doing it twice at the same time.
/// </summary>
internal sealed class Rerating(Database database)
{
    /// <summary>What would be corrected; nothing is written.</summary>
    public async Task<IReadOnlyList<Rerated>> PreviewAsync(RerateOrder order) => (await FindAsync(order)).Found;

    /// <summary>Writes the corrections. Answers what was moved: an account that has less free money than it owes pays what it has, which may be 0.</summary>
    public async Task<IReadOnlyList<Rerated>> ApplyAsync(RerateOrder order, string note)
    {
        var (found, seen) = await FindAsync(order);
        var ledger = new Ledger(database);
        var moved = new List<Rerated>();
        foreach (var request in found)
        {
            var chain = seen[request.AccountId];
            if (await ledger.CorrectAsync(request.AccountId, request.Amount, request.RequestId, note, session => chain.IsMendedAsync(session, request)) is { } amount)
                moved.Add(request with { Amount = amount });
        }
        return moved;
    }

    private Task<(List<Rerated> Found, Dictionary<string, SeenChain> Seen)> FindAsync(RerateOrder order) => database.SnapshotAsync(async session =>
    {
        var chains = (await session.QueryAsync("SELECT id, ledger_seq FROM account", row => (Id: row.GetString(0), Seq: row.GetInt64(1)))).ToDictionary(a => a.Id, a => new SeenChain(a.Seq));
        // What each request has been given back or charged on top so far; and what was given back whole, since it was never delivered.
        var mended = (await session.QueryAsync(
            "SELECT account_id, reference, kind, CAST(SUM(amount) AS BIGINT) FROM ledger_entry WHERE kind IN ('correction', 'refund') AND reference <> '' GROUP BY account_id, reference, kind",
            row => (Account: row.GetString(0), Request: row.GetString(1), Kind: row.GetString(2), Sum: row.GetInt64(3)))).ToDictionary(m => (m.Account, m.Request, m.Kind), m => m.Sum);
        var found = new List<Rerated>();
        await foreach (var request in UsageQueries.StreamAsync(session, order.Since, order.Until))
        {
            var record = request.Record;
            if (record.Model != order.Model || record.Basis == Basis.Waived || (order.AccountId is not null && order.AccountId != record.AccountId)) continue;
            if (order.Price.At(DateTimeOffset.FromUnixTimeMilliseconds(record.Created)) is not { } version) continue;
            if (mended.TryGetValue((record.AccountId, record.Id, EntryKind.Refund), out var refunded) && refunded >= request.Cost) continue;
            var right = Price(record, version);
            // Too much was paid: the excess goes back. Too little was asked: the difference of the prices, never what was uncovered at the time.
            var wanted = right < request.Cost ? request.Cost - right : right > record.Price ? record.Price - right : 0;
            var already = mended.GetValueOrDefault((record.AccountId, record.Id, EntryKind.Correction));
            if (wanted != already) found.Add(new Rerated(record.AccountId, record.Id, request.Cost - already, right, wanted - already));
        }
        return (found, chains);
    });

    // The record has the sum of its calls: a reply of several calls is computed as so many equal ones, to which the tokens are dealt out class by class, one
    // after the other, so that no call has more of a class than of what the class is a part of.
    private static long Price(RequestRecord record, PriceVersion price)
    {
        var calls = record.Calls;
        var usages = new CallUsage[calls];
        var usage = record.Usage;
        for (var i = 0; i < calls; i++)
        {
            long Dealt(long after, long count) => Share(after + count, i, calls) - Share(after, i, calls);
            usages[i] = new CallUsage(new TokenUsage
            {
                InputTokens = Share(usage.InputTokens, i, calls),
                CachedInputTokens = Share(usage.CachedInputTokens, i, calls),
                CacheWriteTokens = Dealt(usage.CachedInputTokens, usage.CacheWriteTokens),
                CacheWriteHourTokens = Dealt(usage.CachedInputTokens, usage.CacheWriteHourTokens),
                AudioInputTokens = Dealt(usage.CachedInputTokens + usage.CacheWriteTokens, usage.AudioInputTokens),
                OutputTokens = Share(usage.OutputTokens, i, calls),
                ReasoningTokens = Share(usage.ReasoningTokens, i, calls),
                AudioOutputTokens = Dealt(usage.ReasoningTokens, usage.AudioOutputTokens),
            }, record.Images, record.AudioSeconds);
        }
        return price.Compute(usages).Total;
    }

    private static long Share(long total, int index, int parts) => total / parts + (index < total % parts ? 1 : 0);

    /// <summary>How far an account's chain was read; what was added since is looked at before anything is written, since somebody else may be mending too.</summary>
    /// <param name="through">The seq of the last entry that is known.</param>
    private sealed class SeenChain(long through)
    {
        private readonly HashSet<string> _mended = new(StringComparer.Ordinal);
        private long _through = through;

        public async Task<bool> IsMendedAsync(Session session, Rerated request)
        {
            var last = _through;
            await foreach (var (seq, kind, reference) in Ledger.EntriesBackAsync(session, request.AccountId))
            {
                if (seq <= _through) break;
                last = Math.Max(last, seq);
                if (kind is EntryKind.Correction or EntryKind.Refund) _mended.Add(reference);
            }
            _through = last;
            return _mended.Contains(request.RequestId);
        }
    }
}
