using System.Text;
using System.Text.Json;
using CrossModel.Protocol;
using CsCheck;

namespace CrossModel.Tests.Protocol;

/// <summary>The reader must find the same tokens and the same faults in a masked body as in the one that was sent.</summary>
public sealed class EscapeMaskTests
{
    private static readonly string[] Pieces =
    [
        "\\n", "\\\"", "\\\\", "\\/", "\\u00e9", "\\ud83d\\ude00", "\\x", "\\u12", "\\", "\"", "\",\"", "\":", "{", "}", "[", "]", ",", "\u0001", "é😀", " ", "1", "null",
        new('a', 10), new('b', 300), "\\t" + new string('c', 300), "\",\"d\":\"", "\"]}",
    ];

    [Fact]
    public void Tokens_OfAMaskedBody_AreThoseOfTheBody() => Gen.OneOfConst(Pieces).Array[0, 40].Sample(pieces =>
    {
        var body = Encoding.UTF8.GetBytes("{\"pad\":\"\\n" + new string('p', 2100) + "\",\"a\":[\"" + string.Concat(pieces) + "\"]}");
        using var mask = new EscapeMask();
        var masked = mask.Copy(body);
        Assert.False(masked.SequenceEqual(body));
        Assert.Equal(Tokens(body), Tokens(masked));
    }, iter: 20_000);

    [Fact]
    public void LongText_WithEscapes_IsReadAsSent()
    {
        var text = string.Concat(Enumerable.Repeat("line\n\"q\" \\ é 😀 ", 500));
        var escaped = JsonSerializer.Serialize(text);
        using var request = Requests.Accepted(Requests.Messages($$"""{"role":"user","content":{{escaped}}}"""));
        Assert.Equal(Encoding.UTF8.GetByteCount(text), request.Prompt.TextBytes);
        Assert.True(request.Body.Span.IndexOf(Encoding.UTF8.GetBytes(escaped)) > 0);
    }

    // Counted while it is masked and counted from its text must be the same; half a pair counts as half of four bytes.
    [Fact]
    public void Length_NotedOfALongText_IsThatOfTheText() => Gen.OneOfConst("\\n", "\\\"", "\\/", "\\u00e9", "\\u0041", "\\u4e2d", "\\ud83d\\ude00", "é", new string('a', 40)).Array[300, 400].Sample(pieces =>
    {
        var text = string.Concat(pieces);
        using var request = Requests.Accepted(Requests.Messages($$"""{"role":"user","content":"{{text}}{{new string('b', 2048)}}"}"""));
        Assert.Equal(Encoding.UTF8.GetByteCount(JsonSerializer.Deserialize<string>($"\"{text}\"")!) + 2048, request.Prompt.TextBytes);
    }, iter: 200);

    [Fact]
    public void LongModelName_WithEscapes_IsReadAsSent()
    {
        var name = "a/" + new string('x', 3000);
        using var request = Requests.Accepted($$"""{"model":"\u0061\/{{name[2..]}}","messages":[{"role":"user","content":"x"}]}""");
        Assert.Equal(name, request.Model);
    }

    private static List<string> Tokens(ReadOnlySpan<byte> body)
    {
        var tokens = new List<string>();
        var json = new Utf8JsonReader(body);
        try
        {
            while (json.Read()) tokens.Add($"{json.TokenType} {json.TokenStartIndex} {json.BytesConsumed}");
        }
        catch (JsonException fault)
        {
            tokens.Add($"fault {fault.LineNumber} {fault.BytePositionInLine}");
        }
        return tokens;
    }
}
