using System.Globalization;
using System.Text;

namespace CrossModel.Simulator;

/// <summary>Sends bytes as the script wants them sent: paced, dripped, cut, reset or never finished.</summary>
/// <param name="gone">The client left or the simulator stops.</param>
internal sealed class WireWriter(HttpContext http, FaultScript script, TimeProvider time, CancellationToken gone)
{
    // A reset throws away what the socket has not sent yet; this is long enough for loopback to have sent it.
    private static readonly TimeSpan BeforeReset = TimeSpan.FromMilliseconds(50);
    private bool _ownChunks;

    /// <summary>The simulator itself ended the connection, so its end says nothing about the client.</summary>
    public bool WeAborted { get; private set; }

    public async Task PlainAsync(int status, string contentType, byte[] body)
    {
        Begin(status, contentType);
        if (script.Break is not { } fault || fault.Kind is BreakKind.Garbage or BreakKind.Error)
        {
            http.Response.ContentLength = body.Length;
            await SendAsync(body);
            return;
        }
        await http.Response.StartAsync(gone);
        await http.Response.Body.FlushAsync(gone);
        if (fault.After > 0)
            await SendAsync(body.AsMemory(0, body.Length / 2));
        await BreakAsync(fault.Kind);
    }

    public async Task StreamAsync(SimulatedWire wire, IEnumerable<WireEvent> events, double tokensPerSecond)
    {
        Begin(200, script.ContentType ?? wire.StreamType);
        await http.Response.StartAsync(gone);
        var (sent, tokens, started) = (0, 0L, time.GetTimestamp());
        foreach (var next in Decorate(wire, events))
        {
            if (script.Break is { } fault && fault.After == sent)
            {
                await http.Response.Body.FlushAsync(gone);
                if (fault.Kind is BreakKind.Garbage or BreakKind.Error)
                    await SendAsync(fault.Kind == BreakKind.Garbage ? wire.Garbage().Bytes : wire.ErrorEvent(Exchange.FaultError(script, wire.StreamFault)).Bytes);
                if (fault.Kind != BreakKind.Garbage)
                {
                    await BreakAsync(fault.Kind);
                    return;
                }
            }
            if (tokensPerSecond > 0 && next.Tokens > 0)
            {
                tokens += next.Tokens;
                var wait = TimeSpan.FromSeconds(tokens / tokensPerSecond) - time.GetElapsedTime(started);
                if (wait > TimeSpan.Zero)
                {
                    await http.Response.Body.FlushAsync(gone);
                    await Task.Delay(wait, time, gone);
                }
            }
            await SendAsync(next.Bytes);
            sent++;
        }
        if (_ownChunks)
            await http.Response.Body.WriteAsync("0\r\n\r\n"u8.ToArray(), gone);
    }

    private IEnumerable<WireEvent> Decorate(SimulatedWire wire, IEnumerable<WireEvent> events)
    {
        var first = true;
        foreach (var next in events)
        {
            if ((next.Kind == EventKind.End && script.NoDone) || (next.Kind == EventKind.Finish && script.Finish == "none"))
                continue;
            if (script.Comments)
                yield return wire.Comment();
            yield return next;
            if (script.UnknownEvents && first)
                yield return wire.Unknown();
            if ((next.Kind == EventKind.Usage && script.Usage == "twice") || (next.Kind == EventKind.Finish && script.Finish == "twice"))
                yield return next;
            first = false;
        }
    }

    private void Begin(int status, string contentType)
    {
        http.Response.StatusCode = status;
        if (contentType.Length > 0)
            http.Response.ContentType = contentType;
        if (script.SetCookie is not null)
            http.Response.Headers.SetCookie = script.SetCookie;
        if (script.Break is not { Kind: BreakKind.Cut } || script.End != "eof")
            return;
        // Kestrel leaves the framing to whoever sets this header, so the last chunk can be withheld; it then closes in order, with FIN.
        _ownChunks = true;
        http.Response.Headers.TransferEncoding = "chunked";
        http.Response.Headers.Connection = "close";
    }

    private async Task SendAsync(ReadOnlyMemory<byte> bytes)
    {
        if (script.Drip is { } pause)
            for (var i = 0; i < bytes.Length; i++)
            {
                await WriteAsync(bytes.Slice(i, 1));
                await http.Response.Body.FlushAsync(gone);
                await Task.Delay(pause, time, gone);
            }
        else
            await WriteAsync(bytes);
    }

    private async Task WriteAsync(ReadOnlyMemory<byte> bytes)
    {
        if (bytes.Length == 0)
            return;
        if (_ownChunks)
            await http.Response.Body.WriteAsync(Encoding.ASCII.GetBytes(bytes.Length.ToString("x", CultureInfo.InvariantCulture) + "\r\n"), gone);
        await http.Response.Body.WriteAsync(bytes, gone);
        if (_ownChunks)
            await http.Response.Body.WriteAsync("\r\n"u8.ToArray(), gone);
    }

    /// <summary>Returns when the reply may end as it stands.</summary>
    public async Task BreakAsync(BreakKind kind)
    {
        if (kind == BreakKind.Hang)
        {
            if (http.Response.HasStarted)
                await http.Response.Body.FlushAsync(gone);
            await Task.Delay(Timeout.InfiniteTimeSpan, time, gone);
        }
        if (kind != BreakKind.Reset && !(kind == BreakKind.Cut && script.End == "reset"))
            return;
        if (http.Response.HasStarted)
        {
            await http.Response.Body.FlushAsync(gone);
            await Task.Delay(BeforeReset, time, gone);
        }
        WeAborted = true;
        http.Abort();
    }
}
