using System.Text;
using System.Text.Json;
using CrossModel.Dialects;
using CrossModel.Protocol;
using CrossModel.Tests.Dialects.OpenAI;

namespace CrossModel.Tests.Dialects;

/// <summary>Feeds a reply to any dialect's reader as the relay does, bytes in pieces.</summary>
internal static class Replay
{
    /// <param name="cost">Nano-dollars that the caller is shown; null: none.</param>
    public static Replayed Stream(ReplyReader reader, ReadOnlySpan<byte> body, bool usage = true, long? cost = null, params ReadOnlySpan<int> cuts)
    {
        using var output = new PooledBuffer();
        using var client = new ChunkWriter(output, "chatcmpl_ours", 1234567890, "vendor/model", usage);
        using var unread = new PooledBuffer();
        using var owned = reader;
        var from = 0;
        for (var i = 0; i <= cuts.Length && reader.Fault is null && !reader.Ended; i++)
        {
            var to = i < cuts.Length ? cuts[i] : body.Length;
            unread.Write(body[from..to]);
            unread.Consume(reader.Read(unread.Span, client));
            from = to;
        }
        if (reader.Fault is null && !reader.Ended) reader.Complete(unread.Span, client);
        if (reader.Fault is null)
        {
            client.ReleaseFinish();
            if (reader.Usage is { } counted) client.Usage(counted, cost);
            client.Done();
        }
        return new Replayed(Encoding.UTF8.GetString(output.Span), reader.Usage, reader.Fault, client.HasContent, client.TextBytes);
    }

    public static Replayed Plain(ReplyReader reader, ReadOnlyMemory<byte> body, long? cost = null)
    {
        using var owned = reader;
        using var output = new PooledBuffer();
        using var reply = reader.ReadPlain(body);
        reply?.Write(output, new ReplyIdentity("chatcmpl_ours", 1234567890, "vendor/model"), reply.Usage ?? default, cost);
        return new Replayed(Encoding.UTF8.GetString(output.Span), reader.Usage, reader.Fault, reply?.HasContent ?? false, reply?.TextBytes ?? 0);
    }

    /// <summary>What a recording's <c>expect</c> says against what a caller makes of the reply.</summary>
    public static void Compare(JsonElement expect, Reading reading)
    {
        Assert.Equal(expect.GetProperty("content").GetString(), reading.AllContent);
        Assert.Equal(expect.GetProperty("reasoning").GetString(), reading.Reasoning.ToString());
        Assert.Equal(expect.GetProperty("finish_reason").GetString(), reading.Finish[0]);
        CompareCalls([.. expect.GetProperty("tool_calls").EnumerateArray()], reading);
    }

    public static void CompareCalls(IReadOnlyList<JsonElement> calls, Reading reading)
    {
        Assert.Equal(calls.Count, reading.Calls.Count);
        foreach (var (wanted, got) in calls.Zip(reading.Calls.Values))
        {
            Assert.Equal(wanted.GetProperty("name").GetString(), got.Name);
            if (wanted.GetProperty("id_present").GetBoolean()) Assert.Equal(wanted.GetProperty("id").GetString(), got.Id);
            var arguments = wanted.GetProperty("arguments");
            if (arguments.ValueKind == JsonValueKind.Object) Assert.True(JsonElement.DeepEquals(arguments, JsonDocument.Parse(got.Arguments.ToString()).RootElement));
            else Assert.Equal(arguments.GetString(), got.Arguments.ToString());
        }
    }

    public static void CompareUsage(JsonElement wanted, TokenUsage? usage)
    {
        Assert.NotNull(usage);
        Assert.Equal(wanted.GetProperty("prompt_tokens").GetInt64(), usage.Value.InputTokens);
        Assert.Equal(wanted.GetProperty("completion_tokens").GetInt64(), usage.Value.OutputTokens);
        Assert.Equal(wanted.GetProperty("total_tokens").GetInt64(), usage.Value.TotalTokens);
        Assert.Equal(wanted.GetProperty("cached_tokens").GetInt64(), usage.Value.CachedInputTokens);
        Assert.Equal(wanted.GetProperty("reasoning_tokens").GetInt64(), usage.Value.ReasoningTokens);
    }

    /// <summary>A stream, and the same stream collected for a caller who has asked for a plain reply.</summary>
    public static void CompareCollected(Replayed stream, Replayed plain)
    {
        var (a, b) = (Reading.OfStream(stream), Reading.OfPlain(plain));
        Assert.Equal(a.AllContent, b.AllContent);
        Assert.Equal(a.Reasoning.ToString(), b.Reasoning.ToString());
        Assert.Equal(a.Finish, b.Finish);
        Assert.Equal(a.Calls.Select(c => (c.Value.Name, c.Value.Arguments.ToString())), b.Calls.Select(c => (c.Value.Name, c.Value.Arguments.ToString())));
        Assert.Equal(stream.Usage, plain.Usage);
    }

    /// <summary>A recorded error's <c>expect</c> against what was read.</summary>
    public static void CompareFault(JsonElement expect, UpstreamFault fault)
    {
        var status = fault.Failure switch { UpstreamFailure.Rejected => 400, UpstreamFailure.RateLimited => 429, UpstreamFailure.ModelMissing => 503, _ => 502 };
        Assert.Equal(expect.GetProperty("status").GetInt32(), status);
        if (fault.Failure != UpstreamFailure.Rejected) return;
        if (expect.GetProperty("code").GetString() is { } code) Assert.Equal(code, fault.Code);
        Assert.StartsWith(string.Join(' ', expect.GetProperty("provider_message").GetString()!.Split(' ')[..3]), fault.Message);
    }

    /// <summary>Of a damaged body: what goes out is in order all the same.</summary>
    public static void CheckOrder(Replayed stream, Replayed plain)
    {
        // Reading asserts the order of chunks; a reply with a fault has no finish to speak of.
        if (stream.Fault is null) Reading.OfStream(stream);
        else Assert.All(stream.Events(), e => JsonDocument.Parse(e));
        if (plain.Fault is null) Reading.OfPlain(plain);
        else Assert.Equal("", plain.Output);
    }

    /// <summary>Where to cut a body: everywhere, one cut a run, up to 16 kB; else at every byte of both ends and 1,000 seeded places, fifty cuts a run.</summary>
    public static IEnumerable<int[]> Cuts(int length)
    {
        if (length <= 16 * 1024) return Enumerable.Range(1, Math.Max(0, length - 1)).Select(cut => (int[])[cut]);
        var random = new Random(17);
        return Enumerable.Range(1, 2048).Concat(Enumerable.Range(length - 2048, 2047)).Concat(Enumerable.Range(0, 1000).Select(_ => random.Next(1, length)))
            .Distinct().OrderBy(_ => random.Next()).Chunk(50).Select(cuts => cuts.Order().ToArray());
    }

    private static readonly byte[][] Pieces = [.. new[] { "null", "\"", "{", "}", "[", "]", ",", ":", "\n\n", "data: ", "[DONE]", "-1", "1e99", "\\", "\\ud800", "\"\"", "{}", "[]", "true", "\u0000", "é" }.Select(Encoding.UTF8.GetBytes)];

    /// <summary>One to three changes of a body's bytes.</summary>
    public static byte[] Mutate(byte[] body, Random random)
    {
        var bytes = body.ToList();
        for (var n = random.Next(1, 4); n > 0; n--)
        {
            if (bytes.Count == 0) bytes.Add((byte)' ');
            var at = random.Next(bytes.Count);
            switch (random.Next(4))
            {
                case 0: bytes[at] = (byte)random.Next(256); break;
                case 1: bytes.RemoveRange(at, Math.Min(random.Next(1, 40), bytes.Count - at)); break;
                case 2: bytes.InsertRange(at, Pieces[random.Next(Pieces.Length)]); break;
                default: bytes.InsertRange(at, bytes.GetRange(at, Math.Min(random.Next(1, 200), bytes.Count - at))); break;
            }
        }
        return [.. bytes];
    }
}
