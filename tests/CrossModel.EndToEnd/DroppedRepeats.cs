using System.Text;
using CrossModel.EndToEnd.Support;
using CrossModel.Tests.Support;

namespace CrossModel.EndToEnd;

/// <summary>Calls with an Idempotency-Key whose caller drops: they go on for the repeat, but not for nobody.</summary>
public sealed class DroppedRepeats
{
    private const string AskStream = """{"model":"test/model","stream":true,"messages":[{"role":"user","content":"hi"}]}""";
    private const string Priced = """ "test/model": { "routes": [ { "upstream": "up", "model": "m" } ], "price": { "input": 1, "output": 1 } } """;

    /// <summary>A minute long, that is; this clock has shorter ones.</summary>
    [Fact]
    public async Task Caller_WhoDropsAndDoesNotComeBackInAMinute_EndsIt()
    {
        var gone = new TaskCompletionSource();
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, _) =>
        {
            using var left = http.RequestAborted.Register(() => gone.TrySetResult());
            await UsualReply.BeginAsync(http, UsualReply.Chunk(UsualReply.Role) + UsualReply.Chunk(UsualReply.Text("Hel")));
            await gone.Task.WaitAsync(TimeSpan.FromSeconds(30));
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced, time: new ShortMinutes());

        using (var response = await gateway.Http.OpenAsync(HttpMethod.Post, "/v1/chat/completions", Encoding.UTF8.GetBytes(AskStream), gateway.Key, [("Idempotency-Key", "k1")]))
        {
            await Task.Delay(500);
            Assert.False(gone.Task.IsCompleted);
        }

        await gone.Task.WaitAsync(TimeSpan.FromSeconds(10));
        await Until.TrueAsync(() => gateway.Log.All.Any(line => line.Contains("status=499", StringComparison.Ordinal)));
    }

    private sealed class ShortMinutes : TimeProvider
    {
        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) => new Timer(base.CreateTimer(callback, state, dueTime, period));

        private sealed class Timer(ITimer timer) : ITimer
        {
            public bool Change(TimeSpan dueTime, TimeSpan period) => timer.Change(dueTime == TimeSpan.FromMinutes(1) ? TimeSpan.FromMilliseconds(100) : dueTime, period);
            public void Dispose() => timer.Dispose();
            public ValueTask DisposeAsync() => timer.DisposeAsync();
        }
    }

    /// <summary>What cannot be kept is gone for the repeat too: nobody is left for whom the upstream works.</summary>
    [Fact]
    public async Task Caller_WhoDropsAStreamThatIsTooLargeToKeep_EndsIt()
    {
        var gone = new TaskCompletionSource();
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, _) =>
        {
            using var left = http.RequestAborted.Register(() => gone.TrySetResult());
            await UsualReply.BeginAsync(http, UsualReply.Chunk(UsualReply.Role));
            for (var i = 0; i < 3000 && !gone.Task.IsCompleted; i++)
            {
                await UsualReply.SendAsync(http, UsualReply.Chunk(UsualReply.Text(new string('a', 4000))));
                if (i > 200) await Task.Delay(10);
            }
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced, more: "\"limits\": { \"bufferedBytes\": 400000 },");

        using (var response = await gateway.Http.OpenAsync(HttpMethod.Post, "/v1/chat/completions", Encoding.UTF8.GetBytes(AskStream), gateway.Key, [("Idempotency-Key", "k1")]))
        {
            await using var body = await response.Content.ReadAsStreamAsync();
            await body.ReadExactlyAsync(new byte[200 * 4000]);
        }

        await gone.Task.WaitAsync(TimeSpan.FromSeconds(10));
    }
}
