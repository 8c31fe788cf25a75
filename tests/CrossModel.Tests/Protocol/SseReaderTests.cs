using System.Text;
using CrossModel.Protocol;

namespace CrossModel.Tests.Protocol;

public sealed class SseReaderTests
{
    [Theory]
    [InlineData("data: a\n\ndata: b\n\n", "a|b")]
    [InlineData("data: a\r\n\r\ndata: b\r\n\r\n", "a|b")]
    [InlineData("data: a\r\rdata: b\r\r", "a|b")]
    [InlineData("data:a\n\ndata:  b\n\n", "a| b")]
    [InlineData("\uFEFFdata: a\n\n", "a")]
    [InlineData("data: a\ndata: b\ndata:\n\n", "a\nb\n")]
    [InlineData(": OPENROUTER PROCESSING\n\n: ping\n\ndata: a\n\n", "a")]
    [InlineData("id: 7\nretry: 10\nevent: error\ndata: a\n\n", "error=a")]
    [InlineData("event: ping\n\ndata: a\n\n", "a")]
    [InlineData("error: {\"x\":1}\n\n", "!{\"x\":1}")]
    [InlineData("data: a\n\ndata: b", "a|b")]
    [InlineData("data: a\n\ndata: b\n", "a|b")]
    [InlineData("\n\n\ndata: a\n\n\n\n", "a")]
    [InlineData("data\n\ndata: a\n\n", "|a")]
    [InlineData("nonsense\ndata: a\n\n", "a")]
    [InlineData("data: {\"a\":1}\n\n{\"b\":2}\n\n[DONE]\n\n", "{\"a\":1}|{\"b\":2}|[DONE]")]
    [InlineData("[nonsense]\ndata: a\n{\"b\":2}\n\n", "a\n{\"b\":2}")]
    [InlineData("data: ünïcødé 🙂\n\n", "ünïcødé 🙂")]
    [InlineData("", "")]
    public void Reader_AnyCut_GivesTheSameEvents(string stream, string events)
    {
        var bytes = Encoding.UTF8.GetBytes(stream);
        for (var a = 0; a <= bytes.Length; a++)
        {
            for (var b = a; b <= bytes.Length; b++) Assert.Equal(events, Read(bytes, a, b));
        }
        Assert.Equal(events, Read(bytes, [.. Enumerable.Range(0, bytes.Length)]));
    }

    [Fact]
    public void Reader_HugeLineInSmallPieces_IsScannedOnce()
    {
        using var reader = new SseReader();
        var line = new byte[4 << 20];
        line.AsSpan().Fill((byte)'x');
        "data: "u8.CopyTo(line);
        for (var length = 16; length < line.Length; length += 16)
        {
            Assert.False(reader.TryRead(line.AsSpan(0, length), false, out _, out var used));
            Assert.Equal(0, used);
        }
        line[^1] = line[^2] = (byte)'\n';
        Assert.True(reader.TryRead(line, false, out var evt, out var all));
        Assert.Equal(line.Length - 8, evt.Data.Length);
        Assert.Equal(line.Length, all);
    }

    private static string Read(byte[] bytes, params int[] cuts)
    {
        using var reader = new SseReader();
        using var unread = new PooledBuffer();
        var events = new List<string>();
        var from = 0;
        foreach (var cut in cuts.Append(bytes.Length))
        {
            unread.Write(bytes.AsSpan(from, cut - from));
            from = cut;
            Drain(reader, unread, false, events);
        }
        Drain(reader, unread, true, events);
        return string.Join('|', events);
    }

    private static void Drain(SseReader reader, PooledBuffer unread, bool atEnd, List<string> events)
    {
        while (true)
        {
            var found = reader.TryRead(unread.Span, atEnd, out var evt, out var used);
            if (found) events.Add((evt.IsErrorField ? "!" : "") + (evt.Name.IsEmpty ? "" : Encoding.UTF8.GetString(evt.Name) + "=") + Encoding.UTF8.GetString(evt.Data));
            unread.Consume(used);
            if (!found) return;
        }
    }
}
