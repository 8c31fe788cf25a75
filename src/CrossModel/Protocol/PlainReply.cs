using System.Buffers;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace CrossModel.Protocol;

/// <summary>Whose reply it is: members of the caller's reply that are ours.</summary>
internal readonly record struct ReplyIdentity(string Id, long Created, string Model);

/// <summary>
/// A plain reply in OpenAI's shape, ready for the caller but for what only the end of the call knows: identity, usage and cost.
/// The OpenAI dialect builds it by splicing, the others through a <see cref="ChunkCollector"/>. Owns pooled bytes.
/// </summary>
internal sealed class PlainReply : IDisposable
{
    private readonly List<(int At, Hole Hole)> _holes = new(5);

    /// <summary>The root object with holes, and the elements of <c>choices</c> joined by commas.</summary>
    public PooledBuffer Root { get; } = new();
    public PooledBuffer Choices { get; } = new();
    /// <summary>The upstream's usage object, for its further members; empty when there is none to keep.</summary>
    public PooledBuffer UpstreamUsage { get; } = new();

    public enum Hole { Id, Created, Model, Choices, Usage }

    /// <summary>As the upstream reported, normalised; null when it said none that can be trusted.</summary>
    public TokenUsage? Usage { get; set; }

    /// <summary>There is text, a call, reasoning, a refusal or audio in it.</summary>
    public bool HasContent { get; set; }

    /// <summary>A choice ended as content_filter: a reply without content is then blocked, not empty.</summary>
    public bool IsBlocked { get; set; }

    /// <summary>UTF-8 bytes of text, reasoning, refusals, tool names and arguments: what is counted when there is no usage.</summary>
    public long TextBytes { get; set; }

    /// <summary>Bytes of it, without what fills the holes.</summary>
    public int Length => Root.Length + Choices.Length + UpstreamUsage.Length;

    /// <summary>A reply without choices yet, whose root holds nothing but the specification's members.</summary>
    public static PlainReply Empty()
    {
        var reply = new PlainReply();
        reply.Append("{\"id\":"u8, Hole.Id);
        reply.Append(",\"object\":\"chat.completion\",\"created\":"u8, Hole.Created);
        reply.Append(",\"model\":"u8, Hole.Model);
        reply.Append(",\"choices\":"u8, Hole.Choices);
        reply.Append(",\"usage\":"u8, Hole.Usage);
        reply.Root.Write("}"u8);
        return reply;
    }

    /// <summary>More of the root object, and what is to be filled in behind it.</summary>
    public void Append(ReadOnlySpan<byte> text, Hole hole)
    {
        Root.Write(text);
        _holes.Add((Root.Length, hole));
    }

    /// <summary>Writes the caller's body.</summary>
    /// <param name="cost">Nano-dollars, shown as <c>usage.cost</c>; null: not shown.</param>
    public void Write(IBufferWriter<byte> target, ReplyIdentity identity, in TokenUsage usage, long? cost)
    {
        var at = 0;
        foreach (var (end, hole) in _holes)
        {
            target.Write(Root.Span[at..end]);
            at = end;
            switch (hole)
            {
                case Hole.Id: JsonText.WriteString(target, identity.Id); break;
                case Hole.Created: JsonText.WriteNumber(target, identity.Created); break;
                case Hole.Model: JsonText.WriteString(target, identity.Model); break;
                case Hole.Usage: UsageJson.Write(target, usage, cost, UpstreamUsage.Span); break;
                default:
                    target.Write("["u8);
                    target.Write(Choices.Span);
                    target.Write("]"u8);
                    break;
            }
        }
        target.Write(Root.Span[at..]);
    }

    /// <summary>One reply of several calls side by side, to be written: the first one's members, every one's choices in order. What each has used is asked
    /// before; the others are emptied.</summary>
    public static PlainReply Merge(IReadOnlyList<PlainReply> replies)
    {
        var merged = replies[0];
        for (var i = 1; i < replies.Count; i++)
        {
            var next = replies[i];
            merged.Choices.Write(","u8);
            merged.Choices.Write(next.Choices.Span);
            merged.UpstreamUsage.Clear();
            next.Dispose();
        }
        return merged;
    }

    /// <summary>The reply as a stream: for a caller who asked for one where the upstream gave none. The finish is withheld as in any stream.</summary>
    /// <remarks>All or nothing: what cannot be read is found before any of it is in the caller's stream.</remarks>
    public void WriteAsChunks(ChunkWriter client)
    {
        using var chunks = new PooledBuffer();
        var (target, hadContent) = (client.Target, client.HasContent);
        client.Target = chunks;
        try
        {
            WriteChunks(client);
            target.Write(chunks.Span);
        }
        catch
        {
            client.HasContent = hadContent;
            throw;
        }
        finally
        {
            client.Target = target;
        }
    }

    private void WriteChunks(ChunkWriter client)
    {
        using var json = JsonDocument.Parse(OneLine([.. "["u8, .. Choices.Span, .. "]"u8]));
        foreach (var choice in json.RootElement.EnumerateArray())
        {
            var index = choice.GetProperty("index"u8).GetInt32();
            var message = choice.GetProperty("message"u8);
            client.Role(index);
            foreach (var member in message.EnumerateObject()) WriteDelta(client, index, member);
            if (choice.TryGetProperty("logprobs"u8, out var logprobs) && logprobs.ValueKind == JsonValueKind.Object) WriteLogprobs(client, index, logprobs);
            client.Finish(index, choice.GetProperty("finish_reason"u8).GetString() switch
            {
                "length" => FinishReason.Length,
                "tool_calls" => FinishReason.ToolCalls,
                "content_filter" => FinishReason.ContentFilter,
                _ => FinishReason.Stop,
            });
        }
        client.RememberUsage(OneLine(UpstreamUsage.Span.ToArray()), default);
    }

    public void Dispose()
    {
        Root.Dispose();
        Choices.Dispose();
        UpstreamUsage.Dispose();
    }

    /// <summary>An event's JSON must stand on one line. Line ends are found between tokens only: inside a string they are escaped.</summary>
    private static byte[] OneLine(byte[] json)
    {
        json.AsSpan().Replace((byte)'\n', (byte)' ');
        json.AsSpan().Replace((byte)'\r', (byte)' ');
        return json;
    }

    private static void WriteDelta(ChunkWriter client, int choice, JsonProperty member)
    {
        var raw = JsonMarshal.GetRawUtf8Value(member.Value);
        if (member.Value.ValueKind == JsonValueKind.Null || raw.SequenceEqual("\"\""u8) || raw.SequenceEqual("[]"u8) || member.NameEquals("role"u8)) return;
        var isText = member.Value.ValueKind == JsonValueKind.String;
        if (isText && member.NameEquals("content"u8)) client.Content(choice, raw[1..^1]);
        else if (isText && member.NameEquals("reasoning_content"u8)) client.Reasoning(choice, raw[1..^1]);
        else if (isText && member.NameEquals("refusal"u8)) client.Refusal(choice, raw[1..^1]);
        else if (member.NameEquals("tool_calls"u8)) WriteToolCalls(client, choice, member.Value);
        else
        {
            client.Delta(choice, [.. "\""u8, .. JsonMarshal.GetRawUtf8PropertyName(member), .. "\":"u8, .. raw]);
            if (member.NameEquals("function_call"u8)) client.TextBytes += JsonText.StringBytes(raw);
            client.HasContent |= member.NameEquals("audio"u8) || member.NameEquals("function_call"u8);
        }
    }

    private static void WriteToolCalls(ChunkWriter client, int choice, JsonElement calls)
    {
        var index = 0;
        foreach (var call in calls.EnumerateArray())
        {
            // As it stands, but for the index that only streams have: members that nobody lists survive.
            var members = new ArrayBufferWriter<byte>();
            members.Write("\"tool_calls\":[{\"index\":"u8);
            JsonText.WriteNumber(members, index++);
            foreach (var member in call.EnumerateObject().Where(m => !m.NameEquals("index"u8)))
            {
                members.Write(",\""u8);
                members.Write(JsonMarshal.GetRawUtf8PropertyName(member));
                members.Write("\":"u8);
                members.Write(JsonMarshal.GetRawUtf8Value(member.Value));
            }
            members.Write("}]"u8);
            client.Delta(choice, members.WrittenSpan);
            client.HasContent = true;
            if (call.TryGetProperty("function"u8, out var called) || call.TryGetProperty("custom"u8, out called))
                client.TextBytes += JsonText.StringBytes(JsonMarshal.GetRawUtf8Value(called));
        }
    }

    private static void WriteLogprobs(ChunkWriter client, int choice, JsonElement logprobs) =>
        client.Logprobs(choice, JsonMarshal.GetRawUtf8Value(logprobs));
}
