using System.Buffers;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using CrossModel.Protocol;

namespace CrossModel.Tests.Protocol;

public sealed class ChunkWriterTests : IDisposable
{
    private readonly PooledBuffer _output = new();

    public void Dispose() => _output.Dispose();

    private ChunkWriter Writer(bool usage = false) => new(_output, "chatcmpl_1", 7, "a/b", usage);

    private string Text => Encoding.UTF8.GetString(_output.Span);

    [Fact]
    public void Stream_Framing_IsExact()
    {
        using var writer = Writer();
        writer.Content(0, "Hi \\\"you\\\""u8);
        writer.Finish(0, FinishReason.Stop);
        writer.ReleaseFinish();
        writer.Usage(default, null);
        writer.Done();
        const string head = "data: {\"id\":\"chatcmpl_1\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"a/b\",\"choices\":[{\"index\":0,\"delta\":{";
        Assert.Equal(
            head + "\"role\":\"assistant\",\"content\":\"\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n"
            + head + "\"content\":\"Hi \\\"you\\\"\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n"
            + head + "},\"logprobs\":null,\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n",
            Text);
    }

    [Fact]
    public void Usage_Asked_IsNullUntilTheLastChunk()
    {
        using var writer = Writer(usage: true);
        writer.Content(0, "x"u8);
        writer.Finish(0, FinishReason.Length);
        writer.RememberUsage("{\"prompt_tokens\":\"no\",\"queue_time\":0.5,\"cost\":9,\"cost_details\":{},\"prompt_tokens_details\":{\"cached_tokens\":8,\"audio_tokens\":1}}"u8, "\"timings\":{}"u8);
        writer.ReleaseFinish();
        writer.Usage(new TokenUsage { InputTokens = 3, CachedInputTokens = 1, OutputTokens = 2 }, 1_500_000_010);
        var chunks = Text.Split("\n\n", StringSplitOptions.RemoveEmptyEntries).Select(e => JsonDocument.Parse(e[6..]).RootElement).ToList();
        Assert.All(chunks[..^1], c => Assert.Equal(JsonValueKind.Null, c.GetProperty("usage").ValueKind));
        Assert.Equal(
            "{\"prompt_tokens\":3,\"completion_tokens\":2,\"total_tokens\":5,\"prompt_tokens_details\":{\"cached_tokens\":1,\"audio_tokens\":1},"
            + "\"completion_tokens_details\":{\"reasoning_tokens\":0},\"queue_time\":0.5,\"cost\":1.50000001}",
            chunks[^1].GetProperty("usage").GetRawText());
        Assert.True(chunks[^1].TryGetProperty("timings", out _));
        Assert.Equal(0, chunks[^1].GetProperty("choices").GetArrayLength());
    }

    [Fact]
    public void Finish_OfTheLastChoice_IsWithheldAndOthersAreNot()
    {
        using var writer = Writer();
        writer.Content(0, "a"u8);
        writer.Content(1, "b"u8);
        writer.Finish(0, FinishReason.Stop);
        Assert.DoesNotContain("stop", Text);
        writer.Content(1, "c"u8);
        Assert.Contains("stop", Text);
        writer.Finish(1, FinishReason.Length);
        Assert.DoesNotContain("length", Text);
        writer.Finish(0, FinishReason.Length);
        writer.ReleaseFinish();
        Assert.Single(Text.Split("\"length\"").Skip(1));
    }

    [Fact]
    public void Tail_BehindAFinish_WaitsWithIt()
    {
        using var writer = Writer();
        writer.Content(0, "a"u8);
        writer.Finish(0, FinishReason.Stop);
        writer.OpenTail().Write("aside"u8);
        Assert.DoesNotContain("aside", Text);
        writer.ReleaseFinish();
        Assert.Matches("\"stop\"[^a]*aside$", Text);
    }

    /// <summary>The money is gone while another choice writes: one that has said why it ended keeps its own word.</summary>
    [Fact]
    public void FinishOpen_OfAChoiceThatHasFinished_ChangesNothing()
    {
        using var writer = Writer();
        writer.Content(0, "a"u8);
        writer.Content(1, "b"u8);
        writer.Finish(0, FinishReason.Stop);
        writer.FinishOpen(FinishReason.Length);
        writer.ReleaseFinish();
        Assert.Equal([(0, "stop"), (1, "length")], Regex.Matches(Text, "\"index\":(.),.*\"finish_reason\":\"(.*?)\"").Select(end => (int.Parse(end.Groups[1].Value), end.Groups[2].Value)));
    }

    [Fact]
    public void Counting_RoleAlone_IsNoContent()
    {
        using var writer = Writer();
        writer.Role(0);
        writer.Content(0, ""u8);
        Assert.False(writer.HasContent);
        writer.Reasoning(0, "\\u00e9\\n"u8);
        Assert.True(writer.HasContent);
        Assert.Equal(3, writer.TextBytes);
        writer.ToolCall(0, 0, "call_1"u8, "f"u8);
        Assert.Equal(4, writer.TextBytes);
    }

    [Fact]
    public void Collector_Chunks_BecomeAPlainReply()
    {
        using var collector = new ChunkCollector();
        var writer = collector.Writer;
        writer.Reasoning(0, "think"u8);
        writer.Content(0, "Hel"u8);
        writer.Content(0, "lo"u8);
        writer.ToolCall(1, 0, "call_1"u8, "f"u8, "{\\\"a\\\""u8, "\"extra_content\":{\"x\":1}"u8);
        writer.ToolArguments(1, 0, ":1}"u8);
        writer.Finish(0, FinishReason.Stop);
        writer.Finish(1, FinishReason.ToolCalls);
        using var reply = collector.Collect(new TokenUsage { InputTokens = 1, OutputTokens = 2 });
        reply.Write(_output, new ReplyIdentity("chatcmpl_1", 7, "a/b"), reply.Usage!.Value, null);
        Assert.Equal(
            "{\"id\":\"chatcmpl_1\",\"object\":\"chat.completion\",\"created\":7,\"model\":\"a/b\",\"choices\":["
            + "{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"Hello\",\"reasoning_content\":\"think\",\"refusal\":null},\"logprobs\":null,\"finish_reason\":\"stop\"},"
            + "{\"index\":1,\"message\":{\"role\":\"assistant\",\"content\":null,\"refusal\":null,\"tool_calls\":[{\"id\":\"call_1\",\"type\":\"function\",\"extra_content\":{\"x\":1},"
            + "\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"}}]},\"logprobs\":null,\"finish_reason\":\"tool_calls\"}],"
            + "\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2,\"total_tokens\":3,\"prompt_tokens_details\":{\"cached_tokens\":0},\"completion_tokens_details\":{\"reasoning_tokens\":0}}}",
            Text);
        Assert.True(reply.HasContent);
    }

    /// <summary>A blocked reply costs what its provider reports, one without usage what is counted of it.</summary>
    [Fact]
    public void Collector_WhatAReplyIsChargedBy_IsTheStreams()
    {
        using var collector = new ChunkCollector();
        collector.Writer.Reasoning(0, "\\u00e9"u8);
        collector.Writer.ToolCall(0, 0, "call_1"u8, "name"u8, "{}"u8);
        collector.Writer.Finish(0, FinishReason.ToolCalls);
        collector.Writer.RememberUsage("{\"queue_time\":0.5}"u8, default);
        using var counted = collector.Collect(null);
        Assert.Equal((8, false), (counted.TextBytes, counted.IsBlocked));
        Assert.Equal("{\"queue_time\":0.5}", Encoding.UTF8.GetString(counted.UpstreamUsage.Span));

        using var empty = new ChunkCollector();
        empty.Writer.Finish(0, FinishReason.ContentFilter);
        using var blocked = empty.Collect(null);
        Assert.True(blocked is { IsBlocked: true, HasContent: false });
    }

    [Fact]
    public void Collector_ARefusalOrLogprobsThatEndInNull_AreKept()
    {
        using var collector = new ChunkCollector();
        var writer = collector.Writer;
        writer.Refusal(0, "No."u8);
        writer.Logprobs(0, "{\"content\":null,\"refusal\":[1]}"u8);
        writer.Logprobs(0, "{\"content\":null,\"refusal\":null}"u8);
        writer.Finish(0, FinishReason.Stop);
        using var reply = collector.Collect(null);
        Assert.Equal(
            "{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":null,\"refusal\":\"No.\"},\"logprobs\":{\"content\":null,\"refusal\":[1]},\"finish_reason\":\"stop\"}",
            Encoding.UTF8.GetString(reply.Choices.Span));
    }
}
