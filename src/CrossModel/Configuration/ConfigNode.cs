using System.Text;
using System.Text.Json;

namespace CrossModel.Configuration;

/// <summary>A JSON value with its line. A tree of our own, because duplicate members, lines and the text as written must survive the reading.</summary>
internal sealed class ConfigNode(JsonValueKind kind, int? line)
{
    private const int MostQuoted = 64;

    public JsonValueKind Kind { get; } = kind;

    /// <summary>1-based; null: not from the file.</summary>
    public int? Line { get; } = line;

    /// <summary>A string's content or a number's spelling, as written.</summary>
    public string Text { get; init; } = "";

    /// <summary>The environment variable that set it; null: the file did.</summary>
    public string? Variable { get; init; }

    /// <summary>Set by an environment variable: taken literally, and text may stand for any scalar.</summary>
    public bool FromEnvironment => Variable is not null;

    /// <summary>In the file's order, duplicates included.</summary>
    public List<KeyValuePair<string, ConfigNode>> Members { get; } = [];

    public List<ConfigNode> Items { get; } = [];

    public static ConfigNode NewObject() => new(JsonValueKind.Object, null);

    public ConfigNode? Find(string name) => Members.Find(member => member.Key == name).Value;

    /// <summary>For messages: as written, at most 64 characters, control characters escaped.</summary>
    public string Quote() => FromEnvironment ? "what the environment variable says" : Kind == JsonValueKind.Number ? Text : Quote(Text);

    public static string Quote(string text) => $"\"{ConfigPath.Escape(text.Length <= MostQuoted ? text : text[..Cut(text)] + "…")}\"";

    /// <summary>Half a letter is no text: a pair that the cut would part is left out whole.</summary>
    private static int Cut(string text) => char.IsHighSurrogate(text[MostQuoted - 1]) ? MostQuoted - 1 : MostQuoted;

    /// <summary>Replaces the member of that name, or adds it.</summary>
    public void Set(string name, ConfigNode value)
    {
        Members.RemoveAll(member => member.Key == name);
        Members.Add(new(name, value));
    }

    /// <summary>
    /// Reads JSON with comments and trailing commas. What was read before a syntax fault is still answered: the database's place is
    /// needed to find the last good configuration.
    /// </summary>
    public static ConfigNode Parse(ReadOnlySpan<byte> text, out ConfigFault? fault)
    {
        fault = null;
        if (text.StartsWith("\uFEFF"u8))
            text = text[3..];
        var reader = new Utf8JsonReader(text, new JsonReaderOptions { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true });
        var lines = new LineCounter();
        ConfigNode? root = null;
        var open = new Stack<ConfigNode>();
        string? name = null;
        try
        {
            while (reader.Read())
            {
                var line = lines.At(text, (int)reader.TokenStartIndex);
                switch (reader.TokenType)
                {
                    case JsonTokenType.PropertyName:
                        name = reader.GetString();
                        continue;
                    case JsonTokenType.EndObject or JsonTokenType.EndArray:
                        open.Pop();
                        continue;
                }
                var node = ReadValue(ref reader, line);
                if (!open.TryPeek(out var parent))
                    root = node;
                else if (parent.Kind == JsonValueKind.Array)
                    parent.Items.Add(node);
                else
                    parent.Members.Add(new(name!, node));
                if (node.Kind is JsonValueKind.Object or JsonValueKind.Array)
                    open.Push(node);
            }
        }
        // The parser's own message may quote a piece of the text, and that piece may be a key that lost its quotes.
        catch (JsonException e)
        {
            var line = (int)(e.LineNumber ?? 0) + 1;
            fault = new ConfigFault("$", $"this is not valid JSON from line {line}, byte {(e.BytePositionInLine ?? 0) + 1} on")
            {
                Hint = text.StartsWith((ReadOnlySpan<byte>)[0xFF, 0xFE]) || text.StartsWith((ReadOnlySpan<byte>)[0xFE, 0xFF])
                    ? "the file is in UTF-16: save it as UTF-8" : "look there and just before for a missing or surplus quote, comma or bracket",
                Line = line,
            };
        }
        catch (InvalidOperationException)
        {
            fault = new ConfigFault("$", "a string is not valid UTF-8") { Line = lines.At(text, (int)reader.TokenStartIndex) };
        }
        if (fault is null && root?.Kind != JsonValueKind.Object)
            fault = new ConfigFault("$", "the configuration must be a JSON object") { Hint = "write it between { and }" };
        return root?.Kind == JsonValueKind.Object ? root : NewObject();
    }

    private static ConfigNode ReadValue(ref Utf8JsonReader reader, int line) => reader.TokenType switch
    {
        JsonTokenType.StartObject => new ConfigNode(JsonValueKind.Object, line),
        JsonTokenType.StartArray => new ConfigNode(JsonValueKind.Array, line),
        JsonTokenType.String => new ConfigNode(JsonValueKind.String, line) { Text = reader.GetString()! },
        JsonTokenType.Number => new ConfigNode(JsonValueKind.Number, line) { Text = Encoding.ASCII.GetString(reader.ValueSpan) },
        JsonTokenType.True => new ConfigNode(JsonValueKind.True, line) { Text = "true" },
        JsonTokenType.False => new ConfigNode(JsonValueKind.False, line) { Text = "false" },
        _ => new ConfigNode(JsonValueKind.Null, line),
    };

    /// <summary>Counts on from the last place asked for.</summary>
    private struct LineCounter
    {
        private int _at;
        private int _breaks;

        public int At(ReadOnlySpan<byte> text, int index)
        {
            _breaks += text[_at..index].Count((byte)'\n');
            _at = index;
            return _breaks + 1;
        }
    }
}
