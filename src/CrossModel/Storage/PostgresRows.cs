using System.Collections.Concurrent;
using System.Data.Common;
using System.Text;
using Npgsql;

namespace CrossModel.Storage;

/// <summary>Statements over rows on PostgreSQL: one round trip, one text and one array a column, however many rows.</summary>
internal sealed class PostgresRows(NpgsqlConnection connection) : RowStatements
{
    private static readonly ConcurrentDictionary<(ManyRows, string Ending), string> Texts = new();

    private readonly Queue<Func<DbDataReader, Task>> _asked = new();
    private NpgsqlBatch? _gathered;

    public override async Task ExecuteAsync<T>(ManyRows statement, IReadOnlyList<T> rows, Action<T, RowValues> bind)
    {
        if (_gathered is not null)
        {
            Add(_gathered, statement, rows, bind, "");
            return;
        }
        await using var command = Command(statement, rows, bind, "");
        await command.ExecuteNonQueryAsync();
    }

    public override void Gather() => _gathered = new NpgsqlBatch(connection);

    public override async Task SendAsync()
    {
        await using var batch = _gathered;
        _gathered = null;
        if (batch is not { BatchCommands.Count: > 0 }) return;
        await using var reader = await batch.ExecuteReaderAsync();
        if (_asked.Count == 0) return;
        // Statements that answer no rows have no result: each result is the next query's.
        while (_asked.TryDequeue(out var take))
        {
            await take(reader);
            await reader.NextResultAsync();
        }
        // What is made of rows that many calls wait for is no work for a thread that reads sockets.
        await Task.Yield();
    }

    public override async Task<bool> CommitAsync()
    {
        if (_gathered is not { BatchCommands.Count: > 0 }) return false;
        _gathered.BatchCommands.Add(new NpgsqlBatchCommand("COMMIT"));
        await SendAsync();
        return true;
    }

    public override async Task QueryAsync<T, TFound>(
        ManyRows statement, IReadOnlyList<T> rows, Action<T, RowValues> bind, Func<FoundRow, TFound> map, List<TFound> found, string ending)
    {
        async Task TakeAsync(DbDataReader reader)
        {
            var row = new Found(reader);
            while (await reader.ReadAsync()) found.Add(map(row));
        }

        if (_gathered is not null)
        {
            Add(_gathered, statement, rows, bind, ending);
            _asked.Enqueue(TakeAsync);
            return;
        }
        await using var command = Command(statement, rows, bind, ending);
        await using var reader = await command.ExecuteReaderAsync();
        await TakeAsync(reader);
    }

    private static void Add<T>(NpgsqlBatch batch, ManyRows statement, IReadOnlyList<T> rows, Action<T, RowValues> bind, string ending)
    {
        var part = new NpgsqlBatchCommand(Text(statement, ending));
        Bind(statement, rows, bind).AddTo(part.Parameters);
        batch.BatchCommands.Add(part);
    }

    private NpgsqlCommand Command<T>(ManyRows statement, IReadOnlyList<T> rows, Action<T, RowValues> bind, string ending)
    {
#pragma warning disable CA2100 // The texts are this program's constants; values only travel as parameters.
        var command = new NpgsqlCommand(Text(statement, ending), connection);
#pragma warning restore CA2100
        Bind(statement, rows, bind).AddTo(command.Parameters);
        return command;
    }

    private static Columns Bind<T>(ManyRows statement, IReadOnlyList<T> rows, Action<T, RowValues> bind)
    {
        var values = new Columns(statement.Columns, rows.Count);
        for (var i = 0; i < rows.Count; i++) bind(rows[i], values);
        return values;
    }

    private static string Text(ManyRows statement, string ending) => Texts.GetOrAdd((statement, ending), static key => Spell(key.Item1, key.Ending));

    private static string Spell(ManyRows statement, string ending)
    {
        var columns = Enumerable.Range(1, statement.Columns.Length).Select(i => $"column{i}").ToArray();
        var rows = $"SELECT * FROM unnest(@{string.Join(", @", columns)}) AS rows ({string.Join(", ", columns)})";
        return statement.Spell(rows, joint => $"{joint} ({rows}) AS v", number => "v." + columns[number - 1], ending);
    }

    /// <summary>The rows' values, column by column.</summary>
    private sealed class Columns(string columns, int rows) : RowValues
    {
        private readonly Array[] _columns = [.. columns.Select(c => c == 't' ? (Array)new string[rows] : new long[rows])];
        private int _added;

        public override void Add(string text) => ((string[])Next())[_added++ / columns.Length] = text;

        public override void Add(byte[] utf8) => Add(Encoding.UTF8.GetString(utf8));

        public override void Add(long number) => ((long[])Next())[_added++ / columns.Length] = number;

        private Array Next() => _columns[_added % columns.Length];

        public void AddTo(NpgsqlParameterCollection parameters)
        {
            for (var i = 0; i < _columns.Length; i++)
                parameters.Add(_columns[i] is string[] texts
                    ? new NpgsqlParameter<string[]>($"column{i + 1}", texts)
                    : new NpgsqlParameter<long[]>($"column{i + 1}", (long[])_columns[i]));
        }
    }

    private sealed class Found(DbDataReader reader) : FoundRow
    {
        public override string Text(int column) => reader.GetString(column);

        public override long Number(int column) => reader.GetInt64(column);
    }
}
