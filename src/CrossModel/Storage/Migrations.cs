using System.Globalization;
using System.Text.RegularExpressions;

namespace CrossModel.Storage;

/// <summary>One numbered step of the schema: <c>Migrations/NNNN_name.sql</c>, embedded in the program.</summary>
internal sealed record Migration(long Number, string Name, string Sql);

/// <summary>Brings a database to this program's schema: each step once, in a transaction of its own, under a lock that holds for all processes.</summary>
internal static partial class Migrations
{
    private const string Table = "CREATE TABLE IF NOT EXISTS migration (number BIGINT PRIMARY KEY, name TEXT NOT NULL, applied BIGINT NOT NULL)";

    public static IReadOnlyList<Migration> Embedded { get; } = ReadEmbedded();

    /// <summary>Throws <see cref="DatabaseException"/> when the database was made by a newer program.</summary>
    public static async Task ApplyAsync(Database database, IReadOnlyList<Migration> known, ILogger log, CancellationToken ct)
    {
        Migration? newest = null;
        var made = false;
        // Each turn applies one step, so that a broken one leaves those before it in place; every later start ends in the first turn.
        while (await database.WriteAsync(session => ApplyNextAsync(database, session, known), ct) is { } applied)
        {
            made |= applied == known[0];
            newest = applied;
            if (!made) log.Migrated(applied.Number, applied.Name);
        }
        if (made) log.Made(newest!.Number);
    }

    private static async Task<Migration?> ApplyNextAsync(Database database, Session session, IReadOnlyList<Migration> known)
    {
        await database.LockForMigrationAsync(session);
        await session.ExecuteAsync(Table);
        var applied = (await session.QueryAsync("SELECT number FROM migration", row => row.GetInt64(0))).ToHashSet();
        var newest = known.Count == 0 ? 0 : known.Max(m => m.Number);
        if (applied.Count > 0 && applied.Max() > newest)
            throw new DatabaseException(
                $"The database has schema {applied.Max()}, this program knows up to {newest}: a newer CrossModel has migrated it."
                    + " Run that version, or give this one a database of its own.");
        var next = known.Where(m => !applied.Contains(m.Number)).MinBy(m => m.Number);
        if (next is null) return null;
        await session.ExecuteLongAsync(database.Flavored(next.Sql));
        await session.ExecuteAsync("INSERT INTO migration (number, name, applied) VALUES (@number, @name, @applied)",
            ("@number", next.Number), ("@name", next.Name), ("@applied", database.Now));
        return next;
    }

    private static List<Migration> ReadEmbedded()
    {
        var assembly = typeof(Migrations).Assembly;
        var found = new List<Migration>();
        foreach (var resource in assembly.GetManifestResourceNames())
        {
            if (FileName().Match(resource) is not { Success: true } match) continue;
            using var reader = new StreamReader(assembly.GetManifestResourceStream(resource)!);
            found.Add(new Migration(long.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture), match.Groups[2].Value, reader.ReadToEnd()));
        }
        return [.. found.OrderBy(m => m.Number)];
    }

    [GeneratedRegex(@"\.Migrations\._?(\d{4})_(\w+)\.sql$")]
    private static partial Regex FileName();
}

internal static partial class Log
{
    [LoggerMessage(EventId = 6001, Level = LogLevel.Information, Message = "Database migrated to schema {Number} ({Name})")]
    public static partial void Migrated(this ILogger log, long number, string name);

    [LoggerMessage(EventId = 6004, Level = LogLevel.Information, Message = "Database made with schema {Number}")]
    public static partial void Made(this ILogger log, long number);
}
