using System.Data.Common;

namespace CrossModel.Storage;

/// <summary>
/// One connection for the time of a read or a write. Values may be string, long, int, double, bool (kept as 0/1) or null.
/// Not for two statements at once.
/// </summary>
/// <param name="keepsCommands">Keep each statement prepared for the connection's life (SQLite); PostgreSQL's driver does so by itself.</param>
internal sealed class Session(DbConnection connection, RowStatements rows, bool keepsCommands) : IAsyncDisposable
{
    // Texts are constants of the program, so this stays small.
    private readonly Dictionary<string, DbCommand>? _kept = keepsCommands ? new(StringComparer.Ordinal) : null;

    public DbConnection Connection { get; } = connection;

    /// <summary>Runs statements over many rows: see <see cref="ManyRows"/>.</summary>
    public RowStatements Rows { get; } = rows;

    /// <summary>Answers the number of rows changed.</summary>
    public Task<int> ExecuteAsync(string sql, params ReadOnlySpan<(string Name, object? Value)> parameters) =>
        RunAsync(Command(sql, parameters), command => command.ExecuteNonQueryAsync());

    /// <summary>As <see cref="ExecuteAsync"/>, for what may take minutes: no command times out.</summary>
    public Task<int> ExecuteLongAsync(string sql, params ReadOnlySpan<(string Name, object? Value)> parameters) =>
        RunAsync(Command(sql, parameters), command =>
        {
            command.CommandTimeout = 0;
            return command.ExecuteNonQueryAsync();
        });

    /// <summary>All rows, mapped.</summary>
    public Task<List<T>> QueryAsync<T>(string sql, Func<DbDataReader, T> map, params ReadOnlySpan<(string Name, object? Value)> parameters) =>
        RunAsync(Command(sql, parameters), async command =>
        {
            var rows = new List<T>();
            await using var reader = await command.ExecuteReaderAsync();
            while (await reader.ReadAsync()) rows.Add(map(reader));
            return rows;
        });

    /// <summary>The first row, mapped; default when there is none (ask for <c>long?</c> rather than <c>long</c>).</summary>
    public Task<T?> FirstAsync<T>(string sql, Func<DbDataReader, T> map, params ReadOnlySpan<(string Name, object? Value)> parameters) =>
        RunAsync(Command(sql, parameters), async command =>
        {
            await using var reader = await command.ExecuteReaderAsync();
            if (!await reader.ReadAsync()) return default;
            var first = map(reader);
            // A statement that changes rows (… RETURNING) is only done when all of its rows were read.
            while (await reader.ReadAsync()) { }
            return first;
        });

    /// <summary>Rows as they come, for results too large to hold; the connection is busy until the end.</summary>
    public async IAsyncEnumerable<T> StreamAsync<T>(string sql, Func<DbDataReader, T> map, params (string Name, object? Value)[] parameters)
    {
        var command = Command(sql, parameters);
        try
        {
            await using var reader = await command.ExecuteReaderAsync();
            while (await reader.ReadAsync()) yield return map(reader);
        }
        finally
        {
            if (_kept is null) await command.DisposeAsync();
        }
    }

    private async Task<T> RunAsync<T>(DbCommand command, Func<DbCommand, Task<T>> run)
    {
        try
        {
            return await run(command);
        }
        finally
        {
            if (_kept is null) await command.DisposeAsync();
        }
    }

    private DbCommand Command(string sql, ReadOnlySpan<(string Name, object? Value)> parameters)
    {
        DbCommand? command = null;
        var isNew = _kept is null || !_kept.TryGetValue(sql, out command);
        if (command is null)
        {
            command = Connection.CreateCommand();
#pragma warning disable CA2100 // The texts are this program's constants; values only travel as parameters.
            command.CommandText = sql;
#pragma warning restore CA2100
            _kept?.Add(sql, command);
        }
        for (var i = 0; i < parameters.Length; i++)
        {
            var (name, value) = parameters[i];
            DbParameter parameter;
            if (isNew)
            {
                parameter = command.CreateParameter();
                parameter.ParameterName = name;
                command.Parameters.Add(parameter);
            }
            else
            {
                parameter = command.Parameters[i];
                if (parameter.ParameterName != name) parameter = command.Parameters[name];
            }
            parameter.Value = value switch
            {
                null => DBNull.Value,
                bool flag => flag ? 1L : 0L,
                int number => (long)number,
                _ => value,
            };
        }
        return command;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var command in _kept?.Values ?? Enumerable.Empty<DbCommand>()) await command.DisposeAsync();
        Rows.Dispose();
        await Connection.DisposeAsync();
    }
}

/// <summary>Columns that may be null.</summary>
internal static class ReaderColumns
{
    public static string? TextOrNull(this DbDataReader row, int column) => row.IsDBNull(column) ? null : row.GetString(column);

    public static long? LongOrNull(this DbDataReader row, int column) => row.IsDBNull(column) ? null : row.GetInt64(column);

    /// <summary>A flag kept as BIGINT 0/1.</summary>
    public static bool Flag(this DbDataReader row, int column) => row.GetInt64(column) != 0;
}
