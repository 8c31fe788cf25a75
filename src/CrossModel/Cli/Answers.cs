using System.Globalization;
using System.Text;
using System.Text.Json;
using CrossModel.Accounts;
using CrossModel.Billing;
using CrossModel.Protocol;

namespace CrossModel.Cli;

/// <summary>Answers on stdout: words and tables for people, or one line of JSON.</summary>
internal sealed class Answers(TextWriter output, bool json)
{
    public bool Json => json;

    /// <summary>The text for people, or the object for programs.</summary>
    public void Write(string text, Action<Utf8JsonWriter> members)
    {
        if (!json)
        {
            output.WriteLine(text);
            return;
        }
        WriteJson(writer =>
        {
            writer.WriteStartObject();
            members(writer);
            writer.WriteEndObject();
        });
    }

    /// <summary>A table, or one array of objects alone.</summary>
    public void WriteList<T>(IReadOnlyList<T> rows, string[] headings, Func<T, string[]> cells, Action<Utf8JsonWriter, T> members)
    {
        if (json)
        {
            WriteJson(writer => writer.Objects(rows, members));
            return;
        }
        string[][] table = [headings, .. rows.Select(cells)];
        var widths = headings.Select((_, column) => table.Max(line => line[column].Length)).ToArray();
        foreach (var line in table) output.WriteLine(string.Join("  ", line.Select((cell, column) => cell.PadRight(widths[column]))).TrimEnd());
    }

    private void WriteJson(Action<Utf8JsonWriter> write)
    {
        using var stream = new MemoryStream();
        using (var writer = new Utf8JsonWriter(stream, new JsonWriterOptions { Encoder = JsonText.Encoder })) write(writer);
        output.WriteLine(Encoding.UTF8.GetString(stream.GetBuffer(), 0, (int)stream.Length));
    }

    /// <summary>Unix milliseconds as people read them: <c>2026-07-14 12:00:00Z</c>.</summary>
    public static string Time(long? milliseconds) => milliseconds is { } ms
        ? DateTimeOffset.FromUnixTimeMilliseconds(ms).UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture)
        : "never";

    /// <summary>Limits in words: <c>60 requests/min, 5.00 USD a day</c>.</summary>
    public static string Limits(Terms terms)
    {
        var parts = new List<string>();
        void Add(long? limit, Func<long, string> words)
        {
            if (limit is { } value) parts.Add(words(value));
        }
        Add(terms.RequestsPerMinute, n => Counted.Of(n, "request") + "/min");
        Add(terms.TokensPerMinute, n => Counted.Of(n, "token") + "/min");
        Add(terms.Parallel, n => $"{n} in parallel");
        Add(terms.SpendDay, n => $"{Usd.Format(n)} USD a day");
        Add(terms.SpendMonth, n => $"{Usd.Format(n)} USD a month");
        Add(terms.SpendTotal, n => $"{Usd.Format(n)} USD in all");
        return parts.Count == 0 ? "no limits" : string.Join(", ", parts);
    }
}
