using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using CrossModel.Protocol;

namespace CrossModel.Dialects.Gemini;

/// <summary>One candidate of a reply: what of it must be remembered between chunks.</summary>
internal sealed class GeminiCandidate(int choice, ReplyContext context, GeminiHost host, ReasoningMemory memory)
{
    private readonly HashSet<string> _ids = [];
    private PartialCall? _partial;
    /// <summary>The last picture that came as a thought, as a data URL: some models mark the only one so. Null: none did.</summary>
    private byte[]? _sketch;
    private string? _reason;
    private bool _hasContent;
    private bool _hasImage;
    private bool _hasUnknownCall;

    public void Read(JsonElement candidate, ChunkWriter client)
    {
        if (candidate.TryGetProperty("content"u8, out var content) && content.ValueKind == JsonValueKind.Object
            && content.TryGetProperty("parts"u8, out var parts) && parts.ValueKind == JsonValueKind.Array)
        {
            foreach (var part in parts.EnumerateArray()) ReadPart(part, client);
        }
        if (candidate.TryGetProperty("logprobsResult"u8, out var logprobs) && logprobs.ValueKind == JsonValueKind.Object && GeminiLogprobs.Convert(logprobs) is { } json)
            client.Logprobs(choice, json);
        if (candidate.TextOf("finishReason"u8) is { Length: > 0 } reason) _reason = reason;
    }

    /// <summary>Writes the finish chunk; a fault when the reply is none.</summary>
    /// <param name="isBlocked">The prompt was found objectionable.</param>
    public UpstreamFault? Finish(ChunkWriter client, bool isBlocked)
    {
        Close(client);
        if (_reason is null && isBlocked) _reason = "SAFETY";
        FinishReason? finish = _reason switch
        {
            null => null,
            "STOP" => _ids.Count > 0 ? FinishReason.ToolCalls : FinishReason.Stop,
            "MAX_TOKENS" or "CONTINUATION" => FinishReason.Length,
            "SAFETY" or "RECITATION" or "LANGUAGE" or "BLOCKLIST" or "PROHIBITED_CONTENT" or "SPII"
                or "IMAGE_SAFETY" or "IMAGE_PROHIBITED_CONTENT" or "IMAGE_RECITATION" or "MODEL_ARMOR" => FinishReason.ContentFilter,
            "UNEXPECTED_TOOL_CALL" when _ids.Count > 0 && !_hasUnknownCall => FinishReason.ToolCalls,
            "MALFORMED_FUNCTION_CALL" or "MALFORMED_RESPONSE" or "UNEXPECTED_TOOL_CALL" or "TOO_MANY_TOOL_CALLS" => null,
            _ when _ids.Count > 0 => FinishReason.ToolCalls,
            _ when _hasContent => FinishReason.Stop,
            _ => null,
        };
        if (finish is { } said)
        {
            if (said is FinishReason.Stop or FinishReason.Length && !_hasImage && _sketch is { } picture) WriteImage(picture, client);
            client.Finish(choice, said);
            return null;
        }
        return _reason switch
        {
            null => new UpstreamFault(UpstreamFailure.CutShort, Detail: "the reply ended without a finish reason"),
            // The model has stumbled over its own words: the next try mostly succeeds.
            "MALFORMED_FUNCTION_CALL" or "MALFORMED_RESPONSE" or "UNEXPECTED_TOOL_CALL" or "TOO_MANY_TOOL_CALLS" =>
                new UpstreamFault(UpstreamFailure.ServerError, Detail: "the model ended with " + _reason, TryAgain: true),
            _ => new UpstreamFault(UpstreamFailure.BadReply, Detail: "the model ended without content: " + Scrub.Message(_reason)),
        };
    }

    private void ReadPart(JsonElement part, ChunkWriter client)
    {
        if (part.ValueKind != JsonValueKind.Object) throw new JsonException("no part");
        if (part.TryGetProperty("functionCall"u8, out var call) && call.ValueKind == JsonValueKind.Object) ReadCall(call, part.TextOf("thoughtSignature"u8), client);
        else if (part.TryGetProperty("text"u8, out var text) && text.ValueKind == JsonValueKind.String) ReadText(text, part, client);
        else if (part.TryGetProperty("inlineData"u8, out var data) && data.ValueKind == JsonValueKind.Object && Url(data) is { } url)
        {
            if (IsThought(part)) _sketch = url;
            else WriteImage(url, client);
        }
    }

    private static bool IsThought(JsonElement part) => part.TryGetProperty("thought"u8, out var thought) && thought.ValueKind == JsonValueKind.True;

    private void ReadText(JsonElement text, JsonElement part, ChunkWriter client)
    {
        var raw = JsonMarshal.GetRawUtf8Value(text)[1..^1];
        if (raw.IsEmpty) return;
        if (!Utf8.IsValid(raw)) throw new JsonException("no UTF-8");
        // Half a surrogate pair must not reach the caller; asking for the text finds it.
        if (raw.IndexOf("\\u"u8) >= 0) text.GetString();
        if (IsThought(part)) client.Reasoning(choice, raw);
        else
        {
            _hasContent = true;
            client.Content(choice, raw);
        }
    }

    private static byte[]? Url(JsonElement data) =>
        data.TextOf("data"u8) is { Length: > 0 } base64 ? JsonText.Escape($"data:{data.TextOf("mimeType"u8) ?? "image/png"};base64,{base64}") : null;

    /// <summary>A picture that was asked for, as a data URL in an extension of the message.</summary>
    private void WriteImage(byte[] url, ChunkWriter client)
    {
        client.Role(choice);
        client.Delta(choice, [.. "\"images\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\""u8, .. url, .. "\"}}]"u8]);
        client.HasContent = true;
        _hasContent = _hasImage = true;
    }

    private void ReadCall(JsonElement call, string? signature, ChunkWriter client)
    {
        var name = call.TextOf("name"u8);
        var continues = call.TryGetProperty("willContinue"u8, out var more) && more.ValueKind == JsonValueKind.True;
        if (name is { Length: > 0 })
        {
            Close(client);
            if (continues || call.TryGetProperty("partialArgs"u8, out _)) _partial = new PartialCall(name, call.TextOf("id"u8), signature);
            else
            {
                var arguments = call.TryGetProperty("args"u8, out var args) && args.ValueKind == JsonValueKind.Object ? JsonMarshal.GetRawUtf8Value(args) : "{}"u8;
                Write(name, call.TextOf("id"u8), arguments, signature, client);
                return;
            }
        }
        if (_partial is null) return;
        if (call.TryGetProperty("partialArgs"u8, out var pieces) && pieces.ValueKind == JsonValueKind.Array) _partial.Add(pieces);
        if (!continues) Close(client);
    }

    /// <summary>A call that came in pieces is whole.</summary>
    private void Close(ChunkWriter client)
    {
        if (_partial is not { } call) return;
        _partial = null;
        Write(call.Name, call.Id, call.Arguments(), call.Signature, client);
    }

    private void Write(string name, string? id, ReadOnlySpan<byte> arguments, string? signature, ChunkWriter client)
    {
        if (_ids.Count == CallIds.Most) throw new JsonException(CallIds.TooMany);
        if (!Utf8.IsValid(arguments)) throw new JsonException("no UTF-8");
        // Results are matched by id: two calls must not share one.
        if (id is not { Length: > 0 } || !_ids.Add(id)) _ids.Add(id = CallIds.New());
        _hasUnknownCall |= context.ToolNames?.Contains(name) is not true;
        byte[] members = [];
        if (signature is { Length: > 0 })
        {
            members = [.. "\"extra_content\":{\"google\":{\"thought_signature\":\""u8, .. JsonText.Escape(signature), .. "\"}}"u8];
            memory.Remember(host.StateKind, context.Account, id, name, arguments, Encoding.UTF8.GetBytes(signature));
        }
        client.ToolCall(choice, _ids.Count - 1, JsonText.Escape(id), JsonText.Escape(name), JsonText.Escape(arguments), members);
    }
}
