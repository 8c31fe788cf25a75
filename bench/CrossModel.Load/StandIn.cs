using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace CrossModel.Load;

/// <summary>
/// The model server of the run, on raw sockets so that it costs next to nothing. The model's name says how it answers:
/// <c>plain</c>; <c>bulk-N</c> N events in one piece; <c>paced-N-MS</c> N events, MS milliseconds apart, each with the moment it was written;
/// <c>prompt-N-MS</c> the same with the first at once; <c>silent</c> one event, then nothing until the caller leaves.
/// </summary>
internal static class StandIn
{
    private static readonly byte[] Plain = Answer("application/json", """
        {"id":"chatcmpl-standin","object":"chat.completion","created":1700000000,"model":"stand-in","choices":[{"index":0,"message":{"role":"assistant","content":"The quick brown fox jumps over the lazy dog, twice.","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":24,"completion_tokens":12,"total_tokens":36}}
        """.Trim());

    private static readonly byte[] StreamHead = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"u8.ToArray();
    private static readonly byte[] StreamEnd = Chunk(
        Event("{}", "\"stop\"") +
        "data: {\"id\":\"chatcmpl-standin\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"stand-in\",\"choices\":[],\"usage\":{\"prompt_tokens\":24,\"completion_tokens\":50,\"total_tokens\":74}}\n\ndata: [DONE]\n\n",
        last: true);

    public static async Task<int> RunAsync()
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen(8192);
        Console.WriteLine($"listening on http://127.0.0.1:{((IPEndPoint)listener.LocalEndPoint!).Port}");
        while (true) _ = ServeAsync(await listener.AcceptAsync());
    }

    private static async Task ServeAsync(Socket socket)
    {
        using (socket)
        {
            socket.NoDelay = true;
            var buffer = new byte[4096];
            try
            {
                while (await ReadRequestAsync(socket, buffer) is { } model) await AnswerAsync(socket, model);
            }
            catch (SocketException)
            {
                // The caller has left.
            }
        }
    }

    /// <summary>Reads one request to its end; answers the model's name, null when the caller closes.</summary>
    private static async Task<string?> ReadRequestAsync(Socket socket, byte[] buffer)
    {
        var length = 0;
        int head;
        while ((head = buffer.AsSpan(0, length).IndexOf("\r\n\r\n"u8)) < 0)
        {
            var count = await socket.ReceiveAsync(buffer.AsMemory(length));
            if (count == 0) return null;
            length += count;
        }
        var body = head + 4;
        var left = ContentLength(buffer.AsSpan(0, head)) - (length - body);
        // The name is at the front of the body.
        while (length - body < 64 && left > 0)
        {
            var count = await socket.ReceiveAsync(buffer.AsMemory(length));
            if (count == 0) return null;
            (length, left) = (length + count, left - count);
        }
        var model = Model(buffer.AsSpan(body, length - body));
        while (left > 0)
        {
            var count = await socket.ReceiveAsync(buffer.AsMemory());
            if (count == 0) return null;
            left -= count;
        }
        return model;
    }

    private static int ContentLength(ReadOnlySpan<byte> head)
    {
        var at = Wire.IndexOfHeader(head, "content-length: "u8);
        return at < 0 ? 0 : Wire.Number(head[at..]);
    }

    private static string Model(ReadOnlySpan<byte> body)
    {
        var name = body[(body.IndexOf("\"model\":\""u8) + 9)..];
        return Encoding.ASCII.GetString(name[..name.IndexOf((byte)'"')]);
    }

    private static async Task AnswerAsync(Socket socket, string model)
    {
        if (model == "plain")
        {
            await SendAsync(socket, Plain);
            return;
        }
        var parts = model.Split('-');
        var count = parts.Length > 1 ? int.Parse(parts[1], CultureInfo.InvariantCulture) : 1;
        var pause = parts.Length > 2 ? int.Parse(parts[2], CultureInfo.InvariantCulture) : 0;
        if (parts[0] == "bulk")
        {
            var all = new StringBuilder();
            for (var i = 0; i < count; i++) all.Append(Event("{\"content\":\" token\"}"));
            await SendAsync(socket, StreamHead.Concat(Chunk(all.ToString())).Concat(StreamEnd).ToArray());
            return;
        }
        if (parts[0] == "silent")
        {
            await SendAsync(socket, StreamHead.Concat(Chunk(Event("{\"content\":\" token\"}"))).ToArray());
            await socket.ReceiveAsync(new byte[1]);
            return;
        }
        // The headers wait for the first event, as a model server's do for its first token.
        await SendAsync(socket, StreamHead);
        using var timer = pause > 0 ? new PeriodicTimer(TimeSpan.FromMilliseconds(pause)) : null;
        for (var i = 0; i < count; i++)
        {
            if (timer is not null && (i > 0 || parts[0] != "prompt")) await timer.WaitForNextTickAsync();
            await SendAsync(socket, Chunk(Event($"{{\"content\":\"{Wire.Stamp()}\"}}")));
        }
        await SendAsync(socket, StreamEnd);
    }

    private static string Event(string delta, string finish = "null") =>
        $"data: {{\"id\":\"chatcmpl-standin\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"stand-in\",\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]}}\n\n";

    private static byte[] Chunk(string text, bool last = false) =>
        Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{text.Length:x}\r\n{text}\r\n{(last ? "0\r\n\r\n" : "")}"));

    private static byte[] Answer(string type, string body) =>
        Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"HTTP/1.1 200 OK\r\nContent-Type: {type}\r\nContent-Length: {body.Length}\r\n\r\n{body}"));

    private static async ValueTask SendAsync(Socket socket, ReadOnlyMemory<byte> bytes)
    {
        while (bytes.Length > 0) bytes = bytes[await socket.SendAsync(bytes)..];
    }
}
