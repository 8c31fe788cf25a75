using System.Buffers;
using CrossModel.Protocol;

namespace CrossModel.Chat;

/// <summary>
/// The stream towards one caller. Starts with the first content, or with a keep-alive comment after a silence, whatever the upstream has said till then,
/// so that until then another route can be tried or a plain HTTP error sent. One writer at a time: relays of several candidates and the keep-alive share it.
/// </summary>
internal sealed class StreamOutput : IAsyncDisposable
{
    private readonly ChatCall _call;
    private readonly TimeProvider _time;
    private readonly TimeSpan _silence;
    private readonly SemaphoreSlim _gate = new(1, 1);
    private readonly ITimer _keepAlive;
    private long _lastWrite;
    private volatile bool _closed;

    public StreamOutput(ChatCall call, TimeProvider time, TimeSpan silence)
    {
        (_call, _time, _silence) = (call, time, silence);
        _lastWrite = time.GetTimestamp();
        // Fires once a silence at most and looks at the clock then: nothing is re-armed per event.
        _keepAlive = time.CreateTimer(static state => _ = ((StreamOutput)state!).KeepAliveAsync(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        // Not before the field is there: what fires arms it again.
        _keepAlive.Change(silence, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Headers have gone out: an error can only be an event now.</summary>
    public bool Started { get; private set; }

    /// <summary>Sends what is in <paramref name="events"/> and empties it. False: the caller is gone.</summary>
    public async ValueTask<bool> WriteAsync(PooledBuffer events)
    {
        if (events.Length == 0) return !_call.Aborted.IsCancellationRequested;
        await _gate.WaitAsync();
        try
        {
            if (_closed) return false;
            Start();
            _call.Recording?.Add(events.Span, _call);
            var writer = _call.Http.Response.BodyWriter;
            writer.Write(events.Span);
            events.Clear();
            _lastWrite = _time.GetTimestamp();
            var flush = await writer.FlushAsync(_call.Http.RequestAborted);
            return !flush.IsCompleted || GoesOn;
        }
        catch (Exception e) when (e is OperationCanceledException or IOException or ObjectDisposedException)
        {
            return GoesOn;
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>Sends the last of the reply, unless the caller is gone, with its end behind it, which the web server writes: one packet instead of two.</summary>
    public async ValueTask EndAsync(PooledBuffer events)
    {
        await _gate.WaitAsync();
        try
        {
            if (_closed) return;
            _closed = true;
            Start();
            if (_call.Http.RequestAborted.IsCancellationRequested) return;
            _call.Http.Response.BodyWriter.Write(events.Span);
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>The caller is gone, but its repeat will ask for the reply.</summary>
    private bool GoesOn => _call.Run is { Recording.IsWhole: true } && !_call.Aborted.IsCancellationRequested;

    private void Start()
    {
        if (Started) return;
        Started = true;
        _call.Status = StatusCodes.Status200OK;
        ReplyHeaders.WriteStream(_call);
    }

    private async Task KeepAliveAsync()
    {
        var quiet = _time.GetElapsedTime(Volatile.Read(ref _lastWrite));
        if (quiet >= _silence && await _gate.WaitAsync(0))
        {
            try
            {
                if (_closed) return;
                Start();
                var writer = _call.Http.Response.BodyWriter;
                writer.Write(": keep-alive\n\n"u8);
                _lastWrite = _time.GetTimestamp();
                await writer.FlushAsync(_call.Http.RequestAborted);
            }
            catch (Exception e) when (e is OperationCanceledException or IOException or ObjectDisposedException)
            {
                return;
            }
            finally
            {
                _gate.Release();
            }
            quiet = TimeSpan.Zero;
        }
        if (_closed) return;
        _keepAlive.Change(quiet >= _silence ? _silence : _silence - quiet, Timeout.InfiniteTimeSpan);
    }

    /// <summary>True: nothing has gone out, and from here on nothing will, so that a plain answer may. False: an error can only be an event.</summary>
    public async ValueTask<bool> TryCloseAsync()
    {
        await _gate.WaitAsync();
        _closed |= !Started;
        _gate.Release();
        return !Started;
    }

    public async ValueTask DisposeAsync()
    {
        // The response must not be completed under a comment that is just being written.
        await _gate.WaitAsync();
        _closed = true;
        _gate.Release();
        await _keepAlive.DisposeAsync();
    }
}
