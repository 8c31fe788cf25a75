using System.Collections.Concurrent;
using System.Data.Common;
using System.Globalization;
using System.Text;

namespace CrossModel.Storage;

/// <summary>
/// A statement over a list of rows: <c>head (@a0, @b0), (@a1, @b1) tail</c>. Lists are cut into powers of two, so that the texts stay few and the
/// database keeps each of them prepared.
/// </summary>
internal sealed class ManyRows(string head, int columns, string tail = "")
{
    private readonly ConcurrentDictionary<int, (string Text, string[] Names)> _texts = new();

    /// <param name="bind">Puts a row's values into the span, in the order of the columns.</param>
    public async Task ExecuteAsync<T>(Session session, int mostRows, IReadOnlyList<T> rows, Action<T, Span<object>> bind)
    {
        for (var start = 0; start < rows.Count;)
        {
            var count = Cut(rows.Count - start, mostRows);
            var (text, parameters) = Bind(rows, start, count, bind);
            await session.ExecuteAsync(text, parameters);
            start += count;
        }
    }

    /// <summary>The rows of all parts; sorted only if each part is and there is one part, so do not rely on an order.</summary>
    public async Task<List<TRow>> QueryAsync<T, TRow>(Session session, int mostRows, IReadOnlyList<T> rows, Action<T, Span<object>> bind, Func<DbDataReader, TRow> map, string lockRows = "")
    {
        List<TRow>? found = null;
        for (var start = 0; start < rows.Count;)
        {
            var count = Cut(rows.Count - start, mostRows);
            var (text, parameters) = Bind(rows, start, count, bind);
            var part = await session.QueryAsync(lockRows.Length == 0 ? text : string.Concat(text, lockRows), map, parameters);
            if (found is null) found = part;
            else found.AddRange(part);
            start += count;
        }
        return found ?? [];
    }

    private (string Text, (string Name, object? Value)[] Parameters) Bind<T>(IReadOnlyList<T> rows, int start, int count, Action<T, Span<object>> bind)
    {
        var (text, names) = _texts.GetOrAdd(count, Spell);
        var parameters = new (string Name, object? Value)[names.Length];
        var values = new object[columns];
        for (var row = 0; row < count; row++)
        {
            bind(rows[start + row], values);
            for (var column = 0; column < columns; column++) parameters[row * columns + column] = (names[row * columns + column], values[column]);
        }
        return (text, parameters);
    }

    private (string, string[]) Spell(int rows)
    {
        var text = new StringBuilder(head);
        var names = new string[rows * columns];
        for (var row = 0; row < rows; row++)
        {
            text.Append(row == 0 ? " (" : ", (");
            for (var column = 0; column < columns; column++)
            {
                var name = string.Create(CultureInfo.InvariantCulture, $"@{(char)('a' + column)}{row}");
                names[row * columns + column] = name;
                text.Append(column == 0 ? "" : ", ").Append(name);
            }
            text.Append(')');
        }
        return (text.Append(tail).ToString(), names);
    }

    private static int Cut(int left, int most)
    {
        var count = 1;
        while (count * 2 <= Math.Min(left, most)) count *= 2;
        return count;
    }
}
