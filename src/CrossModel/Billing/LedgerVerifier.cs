using System.Data.Common;
using System.Globalization;
using CrossModel.Accounts;
using CrossModel.Storage;
using CrossModel.Usage;

namespace CrossModel.Billing;

/// <param name="Seq">The entry at fault; 0: the account as a whole.</param>
internal sealed record LedgerFault(string Account, long Seq, string What);

/// <summary>A chain's end. Kept elsewhere, it is what shows a chain that was cut at its very end, or written anew from the start.</summary>
internal sealed record LedgerHead(string Account, long Seq, string Hash, long Balance);

internal sealed record LedgerReport(IReadOnlyList<LedgerFault> Faults, IReadOnlyList<LedgerHead> Heads, long Entries, long Records);

/// <summary>
/// Proves that entries, balances, request records and leases agree: everything is computed anew from what is written, in one snapshot, so a running server
/// does not disturb it.
/// </summary>
internal sealed class LedgerVerifier(Database database)
{
    private const int MostFaults = 1000;

    // The year 10,000 in unix milliseconds: a day after it is on no calendar.
    private const long EndOfTime = 253_402_300_800_000;

    private readonly List<LedgerFault> _faults = [];
    private readonly Dictionary<string, AccountEnd> _accounts = new(StringComparer.Ordinal);
    private readonly List<(AccountEnd Account, long Seq, string Request)> _withoutRecord = [];
    private readonly Dictionary<(string Account, long Seq), (string Reference, long Amount)> _credits = [];
    private readonly Dictionary<string, long> _prunedThrough = new(StringComparer.Ordinal);
    private readonly Dictionary<(string Account, string Key, long Day), long> _spentByKey = [];
    private long _entries;
    private long _records;

    public Task<LedgerReport> RunAsync(CancellationToken ct = default) => database.SnapshotAsync(RunAsync, ct);

    private async Task<LedgerReport> RunAsync(Session session)
    {
        foreach (var account in await session.QueryAsync(
            "SELECT id, name, balance, leased, ledger_seq, ledger_head, ledger_place, spent_on, spent_day, spent_month, spent_total FROM account ORDER BY name",
            row => new AccountEnd(row.GetString(0), row.GetString(1), row.GetInt64(2), row.GetInt64(3), row.GetInt64(4), row.GetString(5), row.GetInt64(6),
                new AccountSpend(row.GetInt64(7), row.GetInt64(8), row.GetInt64(9), row.GetInt64(10)))))
            _accounts.Add(account.Id, account);
        await CheckChainsAsync(session);
        foreach (var account in _accounts.Values) CheckEnd(account);
        foreach (var (account, seq, request) in _withoutRecord)
            if (seq > _prunedThrough.GetValueOrDefault(account.Id)) Fault(account, seq, $"the record of request {request} is missing");
        await CheckRecordsAsync(session);
        await CheckSpendAsync(session);
        await CheckReferencesAsync(session);
        await CheckLeasesAsync(session);
        return new LedgerReport(_faults, [.. _accounts.Values.Select(a => new LedgerHead(a.Name, a.LastSeq, a.LastHash, a.Sum))], _entries, _records);
    }

    private async Task CheckChainsAsync(Session session)
    {
        // In the order in which they lie: an account's own come in the order of its chain.
        const string sql = "SELECT e.place, e.account_id, e.seq, e.previous, e.kind, e.amount, e.balance, e.at, e.reference, e.note, e.record_hash, e.hash, "
            + "r.seq, r.created, r.cost, r.detail "
            + "FROM ledger_entry e LEFT JOIN request_record r ON r.account_id = e.account_id AND r.id = e.reference AND e.kind IN ('charge', 'waived', 'refund') "
            + "ORDER BY e.place, e.account_id, e.seq";
        var rows = session.StreamAsync(sql, row => (Entry: Map(row), RecordSeq: row.LongOrNull(12), Created: row.LongOrNull(13), Cost: row.LongOrNull(14), Detail: row.TextOrNull(15)));
        await foreach (var (entry, recordSeq, created, cost, detail) in rows)
        {
            _entries++;
            if (!_accounts.TryGetValue(entry.AccountId, out var account))
            {
                Fault(entry.AccountId, entry.Seq, "the entry belongs to no account");
                continue;
            }
            CheckEntry(account, entry);
            if (entry.Kind == EntryKind.Credit && entry.Reference.Length > 0) _credits[(account.Id, entry.Seq)] = (entry.Reference, entry.Amount);
            if (entry.Kind == EntryKind.Refund && detail is not null && ReadRecord(detail) is { } refunded) CountSpend(account, entry, refunded.KeyId);
            if (entry.Kind is not (EntryKind.Charge or EntryKind.Waived)) continue;
            if (detail is null)
            {
                _withoutRecord.Add((account, entry.Seq, entry.Reference));
                continue;
            }
            _records++;
            if (recordSeq != entry.Seq) Fault(account, entry.Seq, $"request {entry.Reference} is charged twice: its record names entry {recordSeq}");
            else CheckRecord(account, entry, created!.Value, cost!.Value, detail);
        }
    }

    private static LedgerEntry Map(DbDataReader row) => new(row.GetInt64(0), row.GetString(1), row.GetInt64(2), row.GetInt64(3), row.GetString(4), row.GetInt64(5),
        row.GetInt64(6), row.GetInt64(7), row.GetString(8), row.GetString(9), row.GetString(10), row.GetString(11));

    private void CheckEntry(AccountEnd account, LedgerEntry entry)
    {
        if (entry.Seq <= account.LastSeq) Fault(account, entry.Seq, "it comes behind a later one, or twice");
        else if (entry.Seq > account.LastSeq + 1) Fault(account, entry.Seq, $"entries {account.LastSeq + 1} to {entry.Seq - 1} are missing");
        if (entry.Previous != account.LastPlace || entry.Place != Math.Max(entry.At, entry.Previous)) Fault(account, entry.Seq, "it does not lie where the chain says");
        if (entry.ComputeHash(account.LastHash) != entry.Hash) Fault(account, entry.Seq, "the entry or the one before it was changed: its hash does not fit");
        account.Sum += entry.Amount;
        if (entry.Balance != account.Sum) Fault(account, entry.Seq, $"its balance is {Usd.Format(entry.Balance)}, the sum of entries {Usd.Format(account.Sum)}");
        if (entry.At is < 0 or >= EndOfTime) Fault(account, entry.Seq, "its time is none");
        else if (entry.Kind is EntryKind.Charge or EntryKind.Refund) account.Made = account.Made.With(-entry.Amount, SpendStore.DayOf(entry.At));
        if (entry.Kind == EntryKind.Checkpoint && long.TryParse(entry.Reference, CultureInfo.InvariantCulture, out var through) && through < entry.Seq)
            _prunedThrough[account.Id] = Math.Max(through, _prunedThrough.GetValueOrDefault(account.Id));
        (account.LastSeq, account.LastHash, account.LastPlace) = (entry.Seq, entry.Hash, entry.Place);
    }

    private void CheckRecord(AccountEnd account, LedgerEntry entry, long created, long cost, string detail)
    {
        var name = $"the record of request {entry.Reference}";
        if (RecordText.HashOf(detail) != entry.RecordHash)
        {
            Fault(account, entry.Seq, name + " was changed: its hash does not fit");
            return;
        }
        if (ReadRecord(detail) is not { } record)
        {
            Fault(account, entry.Seq, name + " cannot be read");
            return;
        }
        CountSpend(account, entry, record.KeyId);
        if (record.Id != entry.Reference || record.AccountId != account.Id || record.Created != created) Fault(account, entry.Seq, name + " does not fit its row");
        if (cost != -entry.Amount) Fault(account, entry.Seq, $"{name} says {Usd.Format(cost)}, the entry {Usd.Format(-entry.Amount)}");
        if (cost < 0 || cost > record.Price) Fault(account, entry.Seq, $"{name}: the cost {Usd.Format(cost)} is not within its price {Usd.Format(record.Price)}");
        var waived = record.Basis == Basis.Waived;
        if (waived != (entry.Kind == EntryKind.Waived) || (waived && record.Price != 0)) Fault(account, entry.Seq, name + ": only a failed or empty reply is waived, and then it costs nothing");
        var computed = Usd.Round(PriceVersion.Sum(record.Lines));
        if (!waived && computed != record.Price) Fault(account, entry.Seq, $"{name}: its lines make {Usd.Format(computed)}, its price is {Usd.Format(record.Price)}");
    }

    private static RequestRecord? ReadRecord(string detail)
    {
        try
        {
            return RecordText.Read(detail);
        }
        catch (Exception e) when (e is System.Text.Json.JsonException or KeyNotFoundException or FormatException or InvalidOperationException)
        {
            return null;
        }
    }

    private void CheckEnd(AccountEnd account)
    {
        if (account.Sum != account.Balance) Fault(account, 0, $"its balance is {Usd.Format(account.Balance)}, the sum of its entries {Usd.Format(account.Sum)}");
        if (account.LastSeq != account.Seq || account.LastHash != account.Head || account.LastPlace != account.Place) Fault(account, 0, $"its chain ends at entry {account.LastSeq}, the account names {account.Seq} with another hash, number or place");
        if (account.Made != account.Spent) Fault(account, 0, $"its spend is {Words(account.Spent)}, the entries make {Words(account.Made)}");

        static string Words(AccountSpend spent) => $"{Usd.Format(spent.Total)}, {Usd.Format(spent.Month)} in the month and {Usd.Format(spent.Day)} on the day of its last charge";
    }

    private void CountSpend(AccountEnd account, LedgerEntry entry, string key)
    {
        if (entry.Amount == 0) return;
        var at = (account.Id, key, SpendStore.DayOf(entry.At));
        _spentByKey[at] = _spentByKey.GetValueOrDefault(at) - entry.Amount;
    }

    /// <summary>What keys have spent, by day: as far as the account's records are all there. Models' (whose spend may be limited later than it began) cannot be told from the records.</summary>
    private async Task CheckSpendAsync(Session session)
    {
        var rows = session.StreamAsync("SELECT account_id, key_id, day, amount FROM spend", row => (Account: row.GetString(0), Key: row.GetString(1), Day: row.GetInt64(2), Amount: row.GetInt64(3)));
        await foreach (var (account, key, day, amount) in rows)
        {
            if (key.StartsWith(SpendStore.KeyOfModel(""), StringComparison.Ordinal) || _prunedThrough.ContainsKey(account)) continue;
            if (_spentByKey.Remove((account, key, day), out var made) ? made != amount : amount != 0) Odd(account, key, amount, made);
        }
        foreach (var ((account, key, _), made) in _spentByKey)
            if (made != 0 && !_prunedThrough.ContainsKey(account)) Odd(account, key, 0, made);

        void Odd(string account, string key, long amount, long made) =>
            Fault(NameOf(account), 0, $"the spend of {key} on a day is {Usd.Format(amount)}, its charges make {Usd.Format(made)}");
    }

    private async Task CheckRecordsAsync(Session session)
    {
        var stray = await session.QueryAsync(
            "SELECT r.account_id, r.id, r.seq FROM request_record r LEFT JOIN ledger_entry e ON e.place = r.place AND e.account_id = r.account_id AND e.seq = r.seq "
            + "AND e.reference = r.id AND e.kind IN ('charge', 'waived') WHERE e.seq IS NULL",
            row => (Account: row.GetString(0), Id: row.GetString(1), Seq: row.GetInt64(2)));
        foreach (var (account, id, seq) in stray) Fault(NameOf(account), seq, $"request {id} has a record and no entry");
    }

    private async Task CheckReferencesAsync(Session session)
    {
        void Odd(string account, long seq, string reference) => Fault(NameOf(account), seq, $"the credit reference {reference} and its entry do not agree");
        var references = session.StreamAsync("SELECT account_id, seq, reference, amount FROM credit_reference",
            row => (Account: row.GetString(0), Seq: row.GetInt64(1), Reference: row.GetString(2), Amount: row.GetInt64(3)));
        await foreach (var (account, seq, reference, amount) in references)
            if (!_credits.Remove((account, seq), out var credit) || credit != (reference, amount)) Odd(account, seq, reference);
        foreach (var ((account, seq), (reference, _)) in _credits) Odd(account, seq, reference);
    }

    private async Task CheckLeasesAsync(Session session)
    {
        // Added up here, and wider than what is added: a database would end at amounts that only a stranger's hand has written.
        var leases = new Dictionary<string, Int128>(StringComparer.Ordinal);
        await foreach (var (account, amount) in session.StreamAsync("SELECT account_id, amount FROM lease", row => (Account: row.GetString(0), Amount: row.GetInt64(1))))
            leases[account] = leases.GetValueOrDefault(account) + amount;
        foreach (var account in leases.Keys)
            if (!_accounts.ContainsKey(account)) Fault(account, 0, "a lease belongs to no account");
        foreach (var account in _accounts.Values)
            if (leases.GetValueOrDefault(account.Id) != account.Leased)
                Fault(account, 0, $"{Usd.Format(account.Leased)} of it are leased, the leases make {Usd.FormatExact(leases.GetValueOrDefault(account.Id) * 1_000_000)}");
    }

    private string NameOf(string accountId) => _accounts.TryGetValue(accountId, out var account) ? account.Name : accountId;

    private void Fault(AccountEnd account, long seq, string what) => Fault(account.Name, seq, what);

    private void Fault(string account, long seq, string what)
    {
        if (_faults.Count < MostFaults) _faults.Add(new LedgerFault(account, seq, what));
    }

    /// <summary>What the account's row says, and what its entries make of it so far.</summary>
    private sealed class AccountEnd(string id, string name, long balance, long leased, long seq, string head, long place, AccountSpend spent)
    {
        public string Id => id;
        public string Name => name;
        public long Balance => balance;
        public long Leased => leased;
        public long Seq => seq;
        public string Head => head;
        public long Place => place;
        public AccountSpend Spent => spent;
        public long Sum { get; set; }
        public AccountSpend Made { get; set; }
        public long LastSeq { get; set; }
        public string LastHash { get; set; } = "";
        public long LastPlace { get; set; }
    }
}
