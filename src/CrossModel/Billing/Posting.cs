using System.Collections.Immutable;
using CrossModel.Accounts;
using CrossModel.Storage;
using CrossModel.Usage;

namespace CrossModel.Billing;

/// <summary>
/// One transaction on the books: the accounts' money read under a lock, entries chained in memory, everything written at the end with few statements.
/// Every movement of money in the program goes through here.
/// </summary>
internal sealed class Posting
{
    private static readonly ManyRows LockAccounts = new(
        "SELECT a.id, a.balance, a.leased, a.credit_limit, a.ledger_seq, a.ledger_head, a.ledger_place, a.spent_on, a.spent_day, a.spent_month, a.spent_total "
        + "FROM account a{, rows} WHERE a.id = {1} ORDER BY a.id", "t");

    private static readonly ManyRows ReadLeases = new("SELECT account_id, amount FROM lease{, rows} WHERE node = {1} AND account_id = {2}", "tt");

    private static readonly ManyRows UpdateAccounts = new(
        "UPDATE account SET balance = {2}, leased = {3}, ledger_seq = {4}, ledger_head = {5}, ledger_place = {6}, spent_on = {7}, "
        + "spent_day = {8}, spent_month = {9}, spent_total = {10} {FROM rows} WHERE account.id = {1}", "tnnntnnnnn");

    private static readonly ManyRows UpsertLeases = new(
        "INSERT INTO lease (node, account_id, amount) {rows} ON CONFLICT (node, account_id) DO UPDATE SET amount = excluded.amount", "ttn");

    private static readonly ManyRows InsertEntries = new(
        "INSERT INTO ledger_entry (place, account_id, seq, previous, kind, amount, balance, at, reference, note, record_hash, hash) {rows}", "ntnntnnntttt");

    private readonly Session _session;
    private readonly string _node;
    private readonly Dictionary<string, AccountRow> _rows;
    private readonly List<LedgerEntry> _entries = [];
    private readonly List<RecordRow> _records = [];
    private readonly Dictionary<(string Account, string Key), long> _spentByKey = [];
    private List<(ReplyToKeep Reply, long? Cost)>? _replies;

    private Posting(long now, Session session, string node, Dictionary<string, AccountRow> rows)
    {
        (_session, _node, _rows) = (session, node, rows);
        Now = now;
    }

    /// <summary>Unix milliseconds; the time of every entry of this transaction.</summary>
    private long Now { get; }

    /// <summary>Request records that an earlier try has written, by id.</summary>
    public IReadOnlyDictionary<string, (long Seq, long Cost)> AlreadyThere { get; set; } = ImmutableDictionary<string, (long, long)>.Empty;

    /// <summary>Requests among those whose charge was given back already.</summary>
    public IReadOnlySet<string> Refunded { get; set; } = ImmutableHashSet<string>.Empty;

    public IReadOnlyCollection<AccountRow> Rows => _rows.Values;

    /// <summary>Reads and locks these accounts.</summary>
    /// <param name="node">Whose leases are meant; empty for a process that has none.</param>
    public static async Task<Posting> OpenAsync(Database database, Session session, string node, IEnumerable<string> accountIds)
    {
        // Everybody locks in the order of ids: two nodes with the same accounts never wait for each other in a ring.
        string[] ids = [.. accountIds.Distinct().Order(StringComparer.Ordinal)];
        session.Rows.Gather();
        var rows = await LockAccounts.QueryAsync(session, ids, static (id, values) => values.Add(id), static row => new AccountRow
        {
            Id = row.Text(0),
            Balance = row.Number(1),
            Leased = row.Number(2),
            CreditLimit = row.Number(3),
            Seq = row.Number(4),
            Head = row.Text(5),
            Place = row.Number(6),
            Spent = new AccountSpend(row.Number(7), row.Number(8), row.Number(9), row.Number(10)),
        }, database.RowLock("a"));
        // A statement of its own, after the lock: one that had waited for the lock would still see the leases of before.
        var leases = await ReadLeases.QueryAsync(session, node.Length == 0 ? [] : ids, (id, values) =>
        {
            values.Add(node);
            values.Add(id);
        }, static row => (Account: row.Text(0), Amount: row.Number(1)));
        await session.Rows.SendAsync();
        var posting = new Posting(database.Now, session, node, rows.ToDictionary(r => r.Id, StringComparer.Ordinal));
        foreach (var (account, amount) in leases) posting._rows[account].SetLease(amount);
        return posting;
    }

    public AccountRow? Find(string accountId) => _rows.GetValueOrDefault(accountId);

    /// <summary>Appends an entry to the account's chain and moves its balance.</summary>
    public LedgerEntry Post(AccountRow row, string kind, long amount, string reference, string note, string recordHash = "")
    {
        row.Balance = checked(row.Balance + amount);
        row.Seq++;
        var previous = row.Place;
        row.Place = Math.Max(Now, previous);
        var entry = new LedgerEntry(row.Place, row.Id, row.Seq, previous, kind, amount, row.Balance, Now, reference, note, recordHash, "");
        row.Head = entry.ComputeHash(row.Head);
        entry = entry with { Hash = row.Head };
        _entries.Add(entry);
        if (kind is EntryKind.Charge or EntryKind.Refund) row.Spent = row.Spent.With(-amount, SpendStore.DayOf(Now));
        return entry;
    }

    public void Keep(RecordRow record) => _records.Add(record);

    /// <summary>Keeps a reply for its repeats; its cost is what it was charged, nano-dollars.</summary>
    public void Keep(ReplyToKeep reply, long cost) => (_replies ??= []).Add((reply, cost));

    /// <summary>Its charge is given back.</summary>
    public void Forget(ReplyToKeep reply) => (_replies ??= []).Add((reply, null));

    /// <summary>Counts towards the key's spend limits; a refund is negative.</summary>
    public void SpendByKey(string accountId, string keyId, long amount)
    {
        if (amount != 0) _spentByKey[(accountId, keyId)] = _spentByKey.GetValueOrDefault((accountId, keyId)) + amount;
    }

    /// <summary>Writes what was posted. The transaction is the caller's to commit.</summary>
    public async Task SaveAsync()
    {
        await SaveLastAsync();
        await _session.Rows.SendAsync();
    }

    /// <summary>As <see cref="SaveAsync"/>, as the last thing of its transaction: what is written may go to the database with the commit.</summary>
    public async Task SaveLastAsync()
    {
        if (_replies is not null) await ReplyStore.WriteAsync(_session, _replies, Now);
        // Behind the replies: they have statements of their own.
        _session.Rows.Gather();
        // In the order of their key: neighbours find each other's page at hand.
        _records.Sort(static (a, b) => string.CompareOrdinal(a.Id, b.Id));
        await RecordStore.InsertAsync(_session, _records);
        await InsertEntries.ExecuteAsync(_session, _entries, static (e, values) =>
        {
            values.Add(e.Place);
            values.Add(e.AccountId);
            values.Add(e.Seq);
            values.Add(e.Previous);
            values.Add(e.Kind);
            values.Add(e.Amount);
            values.Add(e.Balance);
            values.Add(e.At);
            values.Add(e.Reference);
            values.Add(e.Note);
            values.Add(e.RecordHash);
            values.Add(e.Hash);
        });
        await SpendStore.AddToKeysAsync(_session, SpendStore.DayOf(Now), _spentByKey);
        AccountRow[] leases = [.. _rows.Values.Where(r => r.LeaseChanged)];
        await UpsertLeases.ExecuteAsync(_session, leases, (r, values) =>
        {
            values.Add(_node);
            values.Add(r.Id);
            values.Add(r.Lease);
        });
        await UpdateAccounts.ExecuteAsync(_session, [.. _rows.Values], static (r, values) =>
        {
            values.Add(r.Id);
            values.Add(r.Balance);
            values.Add(r.Leased);
            values.Add(r.Seq);
            values.Add(r.Head);
            values.Add(r.Place);
            values.Add(r.Spent.On);
            values.Add(r.Spent.Day);
            values.Add(r.Spent.Month);
            values.Add(r.Spent.Total);
        });
    }
}
