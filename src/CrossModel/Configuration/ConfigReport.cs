using System.Text;
using System.Text.Json;
using CrossModel.Protocol;

namespace CrossModel.Configuration;

/// <summary>What the commands, and a start that fails, say about a configuration.</summary>
internal static class ConfigReport
{
    /// <summary>True for anything that <c>check</c> ends with exit code 1 for: a missing price too, warnings not.</summary>
    public static bool HasErrors(LoadedConfig loaded) => loaded.Faults.Any(fault => fault.Kind != FaultKind.Warning);

    /// <summary>One line a fault and a last line that sums up.</summary>
    public static string Text(LoadedConfig loaded)
    {
        var text = new StringBuilder();
        foreach (var fault in loaded.Faults)
            text.Append(fault).Append('\n');
        var errors = loaded.Faults.Count(fault => fault.Kind != FaultKind.Warning);
        var warnings = loaded.Faults.Count - errors;
        var counts = $"{Counted.Of(errors, "error")}, {Counted.Of(warnings, "warning")}";
        return text.Append(loaded.File ?? "no configuration file, built-in defaults").Append(": ").Append(loaded.Faults.Count == 0 ? "good" : counts).Append('\n').ToString();
    }

    /// <summary><c>{"file", "ok", "faults": [{"path", "kind": "fault"|"missing_price"|"warning", "message", "hint", "line", "variable"}]}</c>
    /// on one line; hint, line and variable may be null.</summary>
    /// <param name="ok">What the exit code says: it may rest on more than the faults.</param>
    /// <param name="more">Writes further members.</param>
    public static string Json(LoadedConfig loaded, bool ok, Action<Utf8JsonWriter>? more = null)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream))
        {
            json.WriteStartObject();
            json.WriteString("file", loaded.File);
            json.WriteBoolean("ok", ok);
            json.WriteStartArray("faults");
            foreach (var fault in loaded.Faults)
            {
                json.WriteStartObject();
                json.WriteString("path", fault.Path);
                json.WriteString("kind", JsonNamingPolicy.SnakeCaseLower.ConvertName(fault.Kind.ToString()));
                json.WriteString("message", fault.Message);
                json.WriteString("hint", fault.Hint);
                if (fault.Line is { } line)
                    json.WriteNumber("line", line);
                else
                    json.WriteNull("line");
                json.WriteString("variable", fault.Variable);
                json.WriteEndObject();
            }
            json.WriteEndArray();
            more?.Invoke(json);
            json.WriteEndObject();
        }
        return Encoding.UTF8.GetString(stream.GetBuffer(), 0, (int)stream.Length);
    }
}
