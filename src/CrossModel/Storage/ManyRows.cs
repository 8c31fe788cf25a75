using System.Globalization;
using System.Text.RegularExpressions;

namespace CrossModel.Storage;

/// <summary>
/// A statement over a list of rows. In its text <c>{rows}</c> stands for the rows as an INSERT takes them; in any other statement <c>{, rows}</c>,
/// <c>{FROM rows}</c> or <c>{USING rows}</c> brings them in, and <c>{1}</c>, <c>{2}</c>, … are a row's values. Each database spells it in the way that is
/// cheapest there: SQLite runs the statement once a row with the values in their places, PostgreSQL once with an array a column.
/// </summary>
/// <param name="columns">A letter a column: t for text, n for a number. None may be null.</param>
internal sealed partial class ManyRows(string text, string columns)
{
    /// <summary>A letter a column: t for text, n for a number.</summary>
    public string Columns => columns;

    /// <param name="bind">Puts a row's values in, in the order of the columns.</param>
    public async ValueTask ExecuteAsync<T>(Session session, IReadOnlyList<T> rows, Action<T, RowValues> bind)
    {
        if (rows.Count > 0) await session.Rows.ExecuteAsync(this, rows, bind);
    }

    /// <summary>What a query finds, in no order to rely on.</summary>
    /// <param name="ending">Put behind the text, e.g. <see cref="Database.RowLock"/>.</param>
    public async ValueTask<List<TFound>> QueryAsync<T, TFound>(Session session, IReadOnlyList<T> rows, Action<T, RowValues> bind, Func<FoundRow, TFound> map, string ending = "")
    {
        var found = new List<TFound>(rows.Count);
        if (rows.Count > 0) await session.Rows.QueryAsync(this, rows, bind, map, found, ending);
        return found;
    }

    /// <summary>The whole text.</summary>
    /// <param name="rows">What an INSERT takes.</param>
    /// <param name="joined">What brings them into another statement, by the word or comma that joins them.</param>
    /// <param name="value">A value by its number, from 1.</param>
    public string Spell(string rows, Func<string, string> joined, Func<int, string> value, string ending) => Places().Replace(text, place =>
        place.Groups["value"] is { Success: true } number ? value(int.Parse(number.Value, CultureInfo.InvariantCulture))
        : place.Groups["joint"] is { Success: true } joint ? joined(joint.Value)
        : rows) + ending;

    [GeneratedRegex(@"\{(?:(?<joint>,|FROM|USING) )?rows\}|\{(?<value>\d+)\}", RegexOptions.CultureInvariant)]
    private static partial Regex Places();
}

/// <summary>Takes the values of one row after the other.</summary>
internal abstract class RowValues
{
    public abstract void Add(string text);

    /// <summary>A text in UTF-8, not empty.</summary>
    public abstract void Add(byte[] utf8);

    public abstract void Add(long number);
}

/// <summary>A row that a query found. Valid only while it is mapped.</summary>
internal abstract class FoundRow
{
    public abstract string Text(int column);

    public abstract long Number(int column);
}

/// <summary>How one connection runs statements over rows.</summary>
internal abstract class RowStatements : IDisposable
{
    public abstract Task ExecuteAsync<T>(ManyRows statement, IReadOnlyList<T> rows, Action<T, RowValues> bind);

    public abstract Task QueryAsync<T, TFound>(ManyRows statement, IReadOnlyList<T> rows, Action<T, RowValues> bind, Func<FoundRow, TFound> map, List<TFound> found, string ending);

    /// <summary>
    /// What is executed or queried from here on may wait for <see cref="SendAsync"/>, to share one round trip; only then is all there that a query finds.
    /// They run in this order, each seeing what was committed when it begins. Nothing else may be asked of the session until then. What has gathered when
    /// a transaction ends goes with its commit.
    /// </summary>
    public virtual void Gather() { }

    /// <summary>Sends what has gathered; throws what any of it failed with.</summary>
    public virtual Task SendAsync() => Task.CompletedTask;

    /// <summary>Sends what has gathered and the transaction's commit in one. False: nothing has gathered, and nothing was done.</summary>
    public virtual Task<bool> CommitAsync() => Task.FromResult(false);

    public virtual void Dispose() { }
}
