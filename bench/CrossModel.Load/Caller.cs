using System.Net;
using System.Net.Sockets;

namespace CrossModel.Load;

/// <summary>What the callers of one round saw.</summary>
internal sealed class Seen
{
    public int Requests { get; set; }
    public List<double> TotalMs { get; } = [];
    public List<double> FirstEventMs { get; } = [];
    /// <summary>From the stand-in's writing of an event to the caller's reading of it.</summary>
    public List<double> EventDelayMs { get; } = [];

    public void Clear()
    {
        Requests = 0;
        TotalMs.Clear();
        FirstEventMs.Clear();
        EventDelayMs.Clear();
    }
}

/// <summary>One connection of a caller, on a raw socket: what it costs is not of the server under test.</summary>
internal sealed class Caller : IDisposable
{
    private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
    private readonly byte[] _buffer = new byte[64 * 1024];

    public static async Task<Caller> ConnectAsync(Uri address)
    {
        var caller = new Caller();
        await caller._socket.ConnectAsync(IPAddress.Loopback, address.Port);
        return caller;
    }

    /// <summary>Sends one request and reads its reply to the end. Throws on any status but 200.</summary>
    /// <param name="untilFirst">Return after the first bytes of the body: the stream stays open.</param>
    public async Task AskAsync(ReadOnlyMemory<byte> request, Seen seen, bool untilFirst = false)
    {
        var begun = TimeProvider.System.GetTimestamp();
        while (request.Length > 0) request = request[await _socket.SendAsync(request)..];
        var length = 0;
        int head;
        while ((head = _buffer.AsSpan(0, length).IndexOf("\r\n\r\n"u8)) < 0) length += await ReceiveAsync(_buffer.AsMemory(length));
        if (!_buffer.AsSpan().StartsWith("HTTP/1.1 200"u8)) throw new InvalidOperationException("refused: " + System.Text.Encoding.UTF8.GetString(_buffer, 0, length));
        var body = head + 4;
        var at = Wire.IndexOfHeader(_buffer.AsSpan(0, head), "content-length: "u8);
        if (at >= 0)
        {
            var left = Wire.Number(_buffer.AsSpan(at)) - (length - body);
            while (left > 0) left -= await ReceiveAsync(_buffer);
        }
        else
        {
            var first = true;
            var (from, end) = (body, length);
            var tail = new Tail();
            while (true)
            {
                if (end > from && Note(_buffer.AsSpan(from, end - from), begun, first, seen)) first = false;
                if (untilFirst && !first) return;
                if (tail.Ends(_buffer.AsSpan(from, end - from))) break;
                (from, end) = (0, await ReceiveAsync(_buffer));
            }
        }
        seen.Requests++;
        seen.TotalMs.Add(TimeProvider.System.GetElapsedTime(begun).TotalMilliseconds);
    }

    private static bool Note(ReadOnlySpan<byte> bytes, long begun, bool first, Seen seen)
    {
        var content = bytes.IndexOf("\"content\""u8) >= 0;
        var now = TimeProvider.System.GetTimestamp();
        if (first && content) seen.FirstEventMs.Add(TimeProvider.System.GetElapsedTime(begun, now).TotalMilliseconds);
        for (var mark = bytes.IndexOf((byte)'@'); mark >= 0; mark = bytes.IndexOf((byte)'@'))
        {
            bytes = bytes[(mark + 1)..];
            if (bytes.Length < 19) break;
            seen.EventDelayMs.Add(Wire.Since(bytes, now));
        }
        return content;
    }

    private async ValueTask<int> ReceiveAsync(Memory<byte> into)
    {
        var count = await _socket.ReceiveAsync(into);
        return count > 0 ? count : throw new IOException("the server closed the connection inside a reply");
    }

    public void Dispose() => _socket.Dispose();

    /// <summary>Knows the end of a chunked body by its last five bytes, however they are cut.</summary>
    private struct Tail
    {
        private int _matched;

        public bool Ends(ReadOnlySpan<byte> bytes)
        {
            if (bytes.Length >= 5)
            {
                bytes = bytes[^5..];
                if (bytes.SequenceEqual("0\r\n\r\n"u8)) return true;
                _matched = _matched > 5 ? 0 : _matched;
            }
            foreach (var b in bytes)
            {
                var expected = "0\r\n\r\n"u8[_matched];
                _matched = b == expected ? _matched + 1 : b == (byte)'0' ? 1 : 0;
                if (_matched == 5) return true;
            }
            return false;
        }
    }
}
