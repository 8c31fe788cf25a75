using System.Text;
using System.Text.Json;
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
}
