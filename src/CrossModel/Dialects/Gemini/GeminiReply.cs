using System.Text.Json;
using CrossModel.Protocol;

namespace CrossModel.Dialects.Gemini;

/// <summary>
/// Reads generateContent replies: a stream of whole replies with new parts each, a plain one, or an array of them. The state machine is in
/// README.md beside this file.
/// </summary>
/// <param name="gave">Told, of a reply to several candidates in one call, whether all came.</param>
internal sealed class GeminiReply(ReplyContext context, GeminiHost host, ReasoningMemory memory, Action<bool> gave) : ReplyReader
{
    private readonly SseReader _events = new();
    private readonly SortedDictionary<int, GeminiCandidate> _candidates = [];
    private bool? _isStream;
    private bool _isBlocked;
    private bool _hasReply;

    public override int Read(ReadOnlySpan<byte> unread, ChunkWriter client) => IsStream(unread) ? ReadEvents(unread, atEnd: false, client) : 0;

    public override void Complete(ReadOnlySpan<byte> unread, ChunkWriter client)
    {
        if (Fault is not null || Ended) return;
        if (_isStream is null && unread.IndexOfAnyExcept(" \r\n\t"u8) < 0) Fail(UpstreamFailure.BadReply, "the body was empty");
        else if (IsStream(unread)) ReadEvents(unread, atEnd: true, client);
        else ReadWhole(unread, client);
        if (Fault is null) Finish(client);
    }

    public override PlainReply? ReadPlain(ReadOnlyMemory<byte> body)
    {
        using var collector = new ChunkCollector();
        Complete(body.Span, collector.Writer);
        return Fault is null ? collector.Collect(Usage) : null;
    }

    public override void Dispose()
    {
        _events.Dispose();
        base.Dispose();
    }

    private bool IsStream(ReadOnlySpan<byte> unread) => (_isStream ??= LooksLikeEvents(unread)) ?? true;

    private int ReadEvents(ReadOnlySpan<byte> unread, bool atEnd, ChunkWriter client)
    {
        var used = 0;
        while (Fault is null)
        {
            var found = _events.TryRead(unread[used..], atEnd, out var evt, out var length);
            used += length;
            if (!found) break;
            var text = evt.Data.Trim(" \n\r\t"u8);
            if (text.IsEmpty || text.SequenceEqual("[DONE]"u8)) continue;
            try
            {
                ReadJson(text, client);
            }
            catch (Exception fault) when (IsUnreadable(fault))
            {
                // Half an event before the end of the body was cut, and may have been one too many.
                if (atEnd && used == unread.Length) break;
                Fail(UpstreamFailure.BadReply, "an event is not JSON of a reply");
            }
        }
        return used;
    }

    private void ReadWhole(ReadOnlySpan<byte> body, ChunkWriter client)
    {
        try
        {
            if (body.StartsWith("\uFEFF"u8)) body = body[3..];
            ReadJson(body, client);
        }
        catch (Exception fault) when (IsUnreadable(fault))
        {
            Fail(UpstreamFailure.BadReply, "the body is not JSON of a reply");
        }
    }

    private void ReadJson(ReadOnlySpan<byte> text, ChunkWriter client)
    {
        var reader = new Utf8JsonReader(text);
        using var json = JsonDocument.ParseValue(ref reader);
        if (reader.Read()) throw new JsonException("something after the reply");
        if (json.RootElement.ValueKind != JsonValueKind.Array)
        {
            ReadReply(json.RootElement, client);
            return;
        }
        foreach (var reply in json.RootElement.EnumerateArray().TakeWhile(_ => Fault is null)) ReadReply(reply, client);
    }

    private void ReadReply(JsonElement reply, ChunkWriter client)
    {
        if (reply.ValueKind != JsonValueKind.Object) throw new JsonException("no reply");
        var hasUsage = reply.TryGetProperty("usageMetadata"u8, out var usage) && GeminiUsage.HasCounts(usage);
        if (hasUsage) Usage = GeminiUsage.Read(usage, Usage);
        if (reply.TryGetProperty("error"u8, out var error) && error.ValueKind != JsonValueKind.Null)
        {
            Fault = GeminiErrors.ReadInReply(error);
            return;
        }
        _hasReply |= reply.TryGetProperty("candidates"u8, out var candidates) || reply.TryGetProperty("usageMetadata"u8, out _);
        if (reply.TryGetProperty("promptFeedback"u8, out var feedback) && feedback.ValueKind == JsonValueKind.Object
            && feedback.TryGetProperty("blockReason"u8, out var reason) && reason.ValueKind == JsonValueKind.String) _isBlocked = true;
        if (candidates.ValueKind != JsonValueKind.Array) return;
        var place = 0;
        foreach (var candidate in candidates.EnumerateArray())
        {
            if (candidate.ValueKind != JsonValueKind.Object) throw new JsonException("no candidate");
            var index = candidate.TryGetProperty("index"u8, out var number) && number.ValueKind == JsonValueKind.Number ? number.GetInt32() : place;
            place++;
            if (index < 0 || index >= context.Candidates) throw new JsonException("a candidate that nobody has asked for");
            if (!_candidates.TryGetValue(index, out var known)) _candidates[index] = known = new GeminiCandidate(index + context.ChoiceOffset, context, host, memory);
            known.Read(candidate, client);
        }
        // The first ones count the prompt and the thoughts alone.
        if (hasUsage) CountedTextBytes = usage.TryGetProperty("candidatesTokenCount"u8, out _) ? client.TextBytes : CountedTextBytes == long.MaxValue ? 0 : CountedTextBytes;
    }

    /// <summary>The reply is over: every candidate must have said why.</summary>
    private void Finish(ChunkWriter client)
    {
        if (_candidates.Count == 0 && _isBlocked)
        {
            for (var i = 0; i < context.Candidates; i++) client.Finish(context.ChoiceOffset + i, FinishReason.ContentFilter);
            Ended = true;
            return;
        }
        if (_candidates.Count == 0)
        {
            Fail(_isStream is true ? UpstreamFailure.CutShort : UpstreamFailure.BadReply, _hasReply ? "the reply has no candidates" : "the body is no reply");
            return;
        }
        if (context.Candidates > 1)
        {
            var all = _candidates.Count == context.Candidates;
            gave(all);
            if (!all)
            {
                // Fewer than were asked for are not what the caller asked for: each by itself is sure to come.
                Fault = new UpstreamFault(UpstreamFailure.BadReply, Detail: "the reply has fewer candidates than were asked for", TryAgain: true);
                return;
            }
        }
        foreach (var candidate in _candidates.Values)
        {
            Fault = candidate.Finish(client, _isBlocked);
            if (Fault is not null) return;
        }
        Ended = true;
    }
}
