using System.Globalization;
using System.Text;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace CrossModel.Storage;

/// <summary>
/// Statements over rows on SQLite's own interface. The driver finds each parameter by its name and copies each value several times: half of what a
/// settlement cost.
/// </summary>
internal sealed class SqliteRows(SqliteConnection connection) : RowStatements
{
    private readonly Dictionary<(ManyRows, string Ending), Statement> _statements = [];

    public override Task ExecuteAsync<T>(ManyRows statement, IReadOnlyList<T> rows, Action<T, RowValues> bind)
    {
        var prepared = Prepare(statement, "");
        for (var i = 0; i < rows.Count; i++)
        {
            prepared.Begin();
            bind(rows[i], prepared);
            while (prepared.Step()) { }
        }
        return Task.CompletedTask;
    }

    public override Task QueryAsync<T, TFound>(ManyRows statement, IReadOnlyList<T> rows, Action<T, RowValues> bind, Func<FoundRow, TFound> map, List<TFound> found, string ending)
    {
        var prepared = Prepare(statement, ending);
        for (var i = 0; i < rows.Count; i++)
        {
            prepared.Begin();
            bind(rows[i], prepared);
            while (prepared.Step()) found.Add(map(prepared.Row));
        }
        return Task.CompletedTask;
    }

    private Statement Prepare(ManyRows statement, string ending)
    {
        if (_statements.TryGetValue((statement, ending), out var known)) return known;
        static string Value(int number) => string.Create(CultureInfo.InvariantCulture, $"?{number}");
        // No table of one row is joined: SQLite would build it anew for each, which takes three times as long as the statement itself.
        var text = statement.Spell($"VALUES ({string.Join(", ", Enumerable.Range(1, statement.Columns.Length).Select(Value))})", _ => "", Value, ending);
        var database = connection.Handle!;
        SqliteException.ThrowExceptionForRC(raw.sqlite3_prepare_v3(database, text, raw.SQLITE_PREPARE_PERSISTENT, out var prepared), database);
        return _statements[(statement, ending)] = new Statement(database, prepared);
    }

    public override void Dispose()
    {
        foreach (var statement in _statements.Values) statement.Dispose();
        base.Dispose();
    }

    private sealed class Statement(sqlite3 database, sqlite3_stmt statement) : RowValues, IDisposable
    {
        private byte[] _utf8 = new byte[1024];
        private int _bound;

        public FoundRow Row { get; } = new Found(statement);

        /// <summary>Ready for a row's values, whatever became of the row before.</summary>
        public void Begin()
        {
            if (_bound > 0) raw.sqlite3_reset(statement);
            _bound = 0;
        }

        public override void Add(string text)
        {
            // An empty span has no address, and SQLite takes no address for NULL.
            if (text.Length == 0)
            {
                Check(raw.sqlite3_bind_text(statement, ++_bound, ""));
                return;
            }
            var most = Encoding.UTF8.GetMaxByteCount(text.Length);
            if (_utf8.Length < most) _utf8 = new byte[most];
            Check(raw.sqlite3_bind_text(statement, ++_bound, (ReadOnlySpan<byte>)_utf8.AsSpan(0, Encoding.UTF8.GetBytes(text, _utf8))));
        }

        public override void Add(byte[] utf8) => Check(raw.sqlite3_bind_text(statement, ++_bound, (ReadOnlySpan<byte>)utf8));

        public override void Add(long number) => Check(raw.sqlite3_bind_int64(statement, ++_bound, number));

        /// <summary>True: a row is there. False: done.</summary>
        public bool Step()
        {
            var code = raw.sqlite3_step(statement);
            if (code == raw.SQLITE_ROW) return true;
            _bound = 0;
            raw.sqlite3_reset(statement);
            if (code != raw.SQLITE_DONE) SqliteException.ThrowExceptionForRC(code, database);
            return false;
        }

        private void Check(int code)
        {
            if (code != raw.SQLITE_OK) SqliteException.ThrowExceptionForRC(code, database);
        }

        public void Dispose() => statement.Dispose();
    }

    private sealed class Found(sqlite3_stmt statement) : FoundRow
    {
        public override string Text(int column) => raw.sqlite3_column_text(statement, column).utf8_to_string();

        public override long Number(int column) => raw.sqlite3_column_int64(statement, column);
    }
}
