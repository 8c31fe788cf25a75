using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace CrossModel.Tests.Logs;

public sealed class LogLinesTests
{
    [Fact]
    public void Lines_OfManyThreads_AreWholeJsonWithTheirFields()
    {
        using var target = new MemoryStream();
        using (var lines = new LogLines(target, TimeProvider.System))
        using (var factory = LoggerFactory.Create(logging => logging.AddProvider(lines)))
        {
            var log = factory.CreateLogger("Room \"quoted\"");
            // A message's fields have the same names as those of the line of a call.
            Parallel.For(0, 1000, i => log.Log(LogLevel.Warning, new EventId(7), new Dictionary<string, object?> { ["RequestId"] = i, ["text"] = "line\nbreak" }.ToList(), null, (_, _) => "happened"));
            log.Log(LogLevel.Error, new EventId(8), "broke", new InvalidOperationException("why"), (state, _) => state);
        }
        var written = Encoding.UTF8.GetString(target.ToArray()).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => JsonDocument.Parse(l).RootElement).ToList();
        Assert.Equal(1001, written.Count);
        Assert.Equal(Enumerable.Range(0, 1000), written[..^1].Select(l => l.GetProperty("request_id").GetInt32()).Order());
        Assert.All(written[..^1], l => Assert.Equal(("warning", "Room \"quoted\"", 7, "happened", "line\nbreak"),
            (l.GetProperty("level").GetString(), l.GetProperty("category").GetString(), l.GetProperty("event").GetInt32(), l.GetProperty("message").GetString(), l.GetProperty("text").GetString())));
        Assert.Contains("why", written[^1].GetProperty("exception").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Logging_WhileTheTargetIsStuck_NeverWaits()
    {
        using var stuck = new StuckStream();
        using (var lines = new LogLines(stuck, TimeProvider.System))
        using (var factory = LoggerFactory.Create(logging => logging.AddProvider(lines)))
        {
            var log = factory.CreateLogger("Room");
            var text = new string('x', 1000);
            // Many times what may wait: this would never end if it waited for the target.
            for (var i = 0; i < 20_000; i++) log.Log(LogLevel.Warning, default, text, null, (state, _) => state);
            stuck.Open();
        }
        // As whole as the others: who reads the lines by their members must not stumble over it.
        var dropped = Encoding.UTF8.GetString(stuck.ToArray()).Split('\n').First(line => line.Contains("log lines were dropped", StringComparison.Ordinal));
        using var json = JsonDocument.Parse(dropped);
        Assert.Equal(["time", "level", "category", "event", "message", "dropped"], json.RootElement.EnumerateObject().Select(member => member.Name));
    }

    private sealed class StuckStream : MemoryStream
    {
        private readonly ManualResetEventSlim _open = new();

        public void Open() => _open.Set();

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            _open.Wait();
            base.Write(buffer);
        }

        protected override void Dispose(bool disposing)
        {
            _open.Dispose();
            base.Dispose(disposing);
        }
    }
}
