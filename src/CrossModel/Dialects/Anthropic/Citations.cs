using System.Buffers;
using System.Text;
using System.Text.Json;
using CrossModel.Protocol;

namespace CrossModel.Dialects.Anthropic;

/// <summary>Citations of web pages become OpenAI's <c>annotations</c>: the page, and the characters of the content that cite it. Others have no place there.</summary>
internal sealed class Citations
{
    private readonly List<(string Url, string Title, long Start, long End)> _pages = [];
    private long _at;
    private long _start;
    private int _ended;

    /// <summary>A text block begins.</summary>
    public void Begin() => _start = _at;

    /// <summary>It ends, and with it what its pages are cited for.</summary>
    public void End()
    {
        for (; _ended < _pages.Count; _ended++) _pages[_ended] = _pages[_ended] with { End = _at };
    }

    /// <param name="escaped">Text that went out.</param>
    public void Count(ReadOnlySpan<byte> escaped) =>
        _at += escaped.Contains((byte)'\\') ? JsonSerializer.Deserialize<string>([.. "\""u8, .. escaped, .. "\""u8])!.Length : Encoding.UTF8.GetCharCount(escaped);

    /// <summary>A JSON array of citations.</summary>
    public void ReadAll(ReadOnlySpan<byte> citations)
    {
        if (citations.IsEmpty) return;
        using var json = JsonDocument.Parse(citations.ToArray());
        if (json.RootElement.ValueKind != JsonValueKind.Array) return;
        foreach (var citation in json.RootElement.EnumerateArray()) Add(citation);
    }

    public void Read(ReadOnlySpan<byte> citation)
    {
        using var json = JsonDocument.Parse(citation.ToArray());
        Add(json.RootElement);
    }

    /// <summary>The member for the whole reply; empty when it cites no page. OpenAI says it once: its SDK for Python fails at a second one in a stream.</summary>
    public byte[] Annotations()
    {
        End();
        if (_pages.Count == 0) return [];
        var text = new ArrayBufferWriter<byte>();
        text.Write("\"annotations\":"u8);
        using (var json = new Utf8JsonWriter(text, new JsonWriterOptions { Encoder = JsonText.Encoder }))
        {
            json.WriteStartArray();
            foreach (var (url, title, start, end) in _pages)
            {
                json.WriteStartObject();
                json.WriteString("type"u8, "url_citation"u8);
                json.WriteStartObject("url_citation"u8);
                json.WriteNumber("start_index"u8, start);
                json.WriteNumber("end_index"u8, end);
                json.WriteString("url"u8, url);
                json.WriteString("title"u8, title);
                json.WriteEndObject();
                json.WriteEndObject();
            }
            json.WriteEndArray();
        }
        return text.WrittenSpan.ToArray();
    }

    private void Add(JsonElement citation)
    {
        if (citation.ValueKind != JsonValueKind.Object || citation.TextOf("type"u8) != "web_search_result_location" || citation.TextOf("url"u8) is not { } url) return;
        _pages.Add((url, citation.TextOf("title"u8) ?? url, _start, _at));
    }
}
