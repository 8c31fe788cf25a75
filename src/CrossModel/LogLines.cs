using System.Globalization;
using System.Text.Json;
using CrossModel.Chat;
using CrossModel.Protocol;

namespace CrossModel;

/// <summary>
/// Logs as lines of JSON: <c>{"time","level","category","event","message",…fields}</c>. Who logs only formats: one thread writes what has gathered,
/// twenty times a second at most, so that a slow disk or a full pipe never holds a call. What it cannot keep up with is dropped and counted.
/// </summary>
internal sealed class LogLines : ILoggerProvider
{
    private const int MostWaiting = 4 * 1024 * 1024;
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(50);

    [ThreadStatic] private static Utf8JsonWriter? _json;
    [ThreadStatic] private static PooledBuffer? _line;

    private readonly Stream _target;
    private readonly TimeProvider _time;
    private readonly Lock _lock = new();
    private readonly AutoResetEvent _arrived = new(false);
    private readonly ManualResetEvent _ending = new(false);
    private readonly Thread _writer;
    private PooledBuffer _waiting = new();
    private PooledBuffer _writing = new();
    private long _dropped;

    public LogLines(Stream target, TimeProvider time)
    {
        (_target, _time) = (target, time);
        _writer = new Thread(Write) { IsBackground = true, Name = "log writer" };
        _writer.Start();
    }

    public ILogger CreateLogger(string categoryName) => new Category(this, categoryName);

    private void Add(PooledBuffer line)
    {
        bool first;
        lock (_lock)
        {
            if (_waiting.Length > MostWaiting)
            {
                _dropped++;
                return;
            }
            first = _waiting.Length == 0;
            _waiting.Write(line.Span);
        }
        if (first) _arrived.Set();
    }

    private void Write()
    {
        var ends = false;
        while (!ends)
        {
            ends = WaitHandle.WaitAny([_ending, _arrived]) == 0 || _ending.WaitOne(Pause);
            long dropped;
            lock (_lock)
            {
                (_waiting, _writing) = (_writing, _waiting);
                (dropped, _dropped) = (_dropped, 0);
            }
            if (dropped > 0)
                _writing.Write(System.Text.Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture,
                    $$"""{"time":"{{_time.GetUtcNow().UtcDateTime:O}}","level":"warning","category":"CrossModel.LogLines","event":102"""
                    + $$""","message":"{{dropped}} log lines were dropped: nobody took them fast enough","dropped":{{dropped}}}""" + $"\n")));
            try
            {
                _target.Write(_writing.Span);
                _target.Flush();
            }
            catch (IOException)
            {
                // Whoever read the log has gone: the calls go on.
            }
            _writing.Clear();
        }
    }

    public void Dispose()
    {
        _ending.Set();
        _writer.Join(TimeSpan.FromSeconds(2));
    }

    private sealed class Category(LogLines lines, string name) : ILogger
    {
        private readonly JsonEncodedText _name = JsonEncodedText.Encode(name);

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel != LogLevel.None;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            var line = _line ??= new PooledBuffer();
            var json = _json ??= new Utf8JsonWriter(line, new JsonWriterOptions { Encoder = JsonText.Encoder, SkipValidation = true });
            json.Reset(line);
            json.WriteStartObject();
            json.WriteString("time"u8, lines._time.GetUtcNow().UtcDateTime);
            json.WriteString("level"u8, NameOf(logLevel));
            json.WriteString("category"u8, _name);
            json.WriteNumber("event"u8, eventId.Id);
            if (state is RequestLine request)
            {
                json.WriteString("message"u8, "request"u8);
                request.Write(json);
            }
            else
            {
                json.WriteString("message"u8, formatter(state, exception));
                if (state is IReadOnlyList<KeyValuePair<string, object?>> fields)
                    foreach (var (key, value) in fields)
                        if (key != "{OriginalFormat}") WriteField(json, JsonNamingPolicy.SnakeCaseLower.ConvertName(key), value);
            }
            if (exception is not null) json.WriteString("exception"u8, exception.ToString());
            json.WriteEndObject();
            json.Flush();
            line.Write("\n"u8);
            lines.Add(line);
            line.Clear();
        }

        private static void WriteField(Utf8JsonWriter json, string key, object? value)
        {
            switch (value)
            {
                case null: json.WriteNull(key); break;
                case int number: json.WriteNumber(key, number); break;
                case long number: json.WriteNumber(key, number); break;
                case bool flag: json.WriteBoolean(key, flag); break;
                default: json.WriteString(key, Convert.ToString(value, CultureInfo.InvariantCulture)); break;
            }
        }

        private static ReadOnlySpan<byte> NameOf(LogLevel level) => level switch
        {
            LogLevel.Trace => "trace"u8,
            LogLevel.Debug => "debug"u8,
            LogLevel.Information => "information"u8,
            LogLevel.Warning => "warning"u8,
            LogLevel.Error => "error"u8,
            _ => "critical"u8,
        };
    }
}
