using System.Text;
using System.Text.Json;
using CrossModel.Protocol;

namespace CrossModel.Dialects.Gemini;

/// <summary>
/// Messages as contents: turns of user and model that alternate, neighbours of one role merged, all results of a turn's calls together and in
/// the calls' order, what the system says apart.
/// </summary>
internal sealed class GeminiContents(
    Utf8JsonWriter json, GeminiHost host, GeminiModel model, Signatures signatures, GeminiLessons.Lesson learned, RemoteLinks remote, List<string> ignored)
{
    private readonly GeminiMedia _media = new(json, host, model, remote);
    private readonly List<(string Id, string Name)> _calls = [];
    private readonly Dictionary<string, (JsonElement Message, int Index)> _results = [];
    private readonly List<JsonElement> _system = [];
    private string? _role;

    /// <summary>For <c>generationConfig.mediaResolution</c>; null: nothing to say.</summary>
    public string? Resolution() => _media.Resolution(ignored);

    /// <summary>Writes <c>contents</c> and <c>systemInstruction</c>.</summary>
    public ApiError? Write(JsonElement messages)
    {
        // What the user says behind results stands in one content with them, and such a one begins no turn at Google.
        var (hasUser, turn, isBehindResults) = (false, -1, false);
        var index = 0;
        foreach (var message in messages.EnumerateArray())
        {
            var role = message.GetProperty("role"u8);
            if (role.ValueEquals("tool"u8)) isBehindResults = true;
            if (role.ValueEquals("assistant"u8) && (Says(message) || (message.TryGetProperty("tool_calls"u8, out var calls) && calls.ValueKind == JsonValueKind.Array)))
                isBehindResults = false;
            if (role.ValueEquals("user"u8))
            {
                hasUser = true;
                if (!isBehindResults && Says(message)) turn = index;
            }
            index++;
        }
        json.WriteStartArray("contents"u8);
        if (CollectSystem(messages) is { } unfit) return unfit;
        if (model.IsGemma || learned.NoSystem || !hasUser) SystemAsUser();
        index = 0;
        foreach (var message in messages.EnumerateArray())
        {
            if (WriteMessage(message, index, isInTurn: index > turn) is { } refusal) return refusal;
            index++;
        }
        if (Results() is { } unreadable) return unreadable;
        if (_role is null)
        {
            // Nothing but empty texts: a content there must be.
            Open("user");
            json.WriteStartObject();
            json.WriteString("text"u8, " "u8);
            json.WriteEndObject();
        }
        Close();
        json.WriteEndArray();
        WriteSystem();
        return null;
    }

    private ApiError? WriteMessage(JsonElement message, int index, bool isInTurn)
    {
        var role = message.GetProperty("role"u8);
        if (message.TryGetProperty("name"u8, out var name) && name.ValueKind == JsonValueKind.String && !ignored.Contains("name")) ignored.Add("name");
        if (role.ValueEquals("tool"u8))
        {
            _results[message.GetProperty("tool_call_id"u8).GetString()!] = (message, index);
            return null;
        }
        if (role.ValueEquals("system"u8) || role.ValueEquals("developer"u8)) return null;
        if (Results() is { } refusal) return refusal;
        return role.ValueEquals("assistant"u8) ? Assistant(message, index, isInTurn) : Blocks(message, index, "user");
    }

    private ApiError? Blocks(JsonElement message, int index, string role)
    {
        if (!message.TryGetProperty("content"u8, out var content)) return null;
        if (content.ValueKind == JsonValueKind.String) Text(content, role);
        if (content.ValueKind != JsonValueKind.Array) return null;
        var position = 0;
        foreach (var block in content.EnumerateArray())
        {
            if (TextOf(block) is { } text) Text(text, role);
            else
            {
                Open(role);
                if (_media.Write(block, $"messages[{index}].content[{position}]") is { } refusal) return refusal;
            }
            position++;
        }
        return null;
    }

    private ApiError? Assistant(JsonElement message, int index, bool isInTurn)
    {
        if (message.TryGetProperty("function_call"u8, out var old) && old.ValueKind == JsonValueKind.Object)
            return ApiErrors.UnsupportedParameter($"messages[{index}].function_call",
                "This model takes tool_calls only. Send the call as tool_calls and its result as a tool message.");
        if (message.TryGetProperty("audio"u8, out var audio) && audio.ValueKind == JsonValueKind.Object)
            return ApiErrors.UnsupportedParameter($"messages[{index}].audio", "This model cannot look up earlier audio. Send its transcript as content.");
        if ((Blocks(message, index, "model") ?? Images(message, index)) is { } refusal) return refusal;
        if (message.TryGetProperty("refusal"u8, out var said) && said.ValueKind == JsonValueKind.String) Text(said, "model");
        if (!message.TryGetProperty("tool_calls"u8, out var calls) || calls.ValueKind != JsonValueKind.Array) return null;
        _calls.Clear();
        foreach (var call in calls.EnumerateArray())
        {
            if (Call(call, $"messages[{index}].tool_calls[{_calls.Count}]", isInTurn) is { } unfit) return unfit;
        }
        return null;
    }

    /// <summary>Pictures of an earlier reply, where this gateway has put them.</summary>
    private ApiError? Images(JsonElement message, int index)
    {
        if (!message.TryGetProperty("images"u8, out var images) || images.ValueKind != JsonValueKind.Array) return null;
        var position = -1;
        foreach (var image in images.EnumerateArray())
        {
            position++;
            if (image.ValueKind != JsonValueKind.Object || image.TextOf("type"u8) != "image_url"
                || !image.TryGetProperty("image_url"u8, out var link) || link.ValueKind != JsonValueKind.Object
                || !link.TryGetProperty("url"u8, out var url) || url.ValueKind != JsonValueKind.String || !DataUrl.IsOne(url.Utf8Text())) continue;
            Open("model");
            if (_media.Write(image, $"messages[{index}].images[{position}]") is { } refusal) return refusal;
        }
        return null;
    }

    private ApiError? Call(JsonElement call, string place, bool isInTurn)
    {
        if (!call.TryGetProperty("function"u8, out var function) || function.ValueKind != JsonValueKind.Object)
            return ApiErrors.UnsupportedParameter(place, "This model takes calls of type function only.");
        var (id, name) = (call.GetProperty("id"u8).GetString()!, function.GetProperty("name"u8).GetString()!);
        var arguments = ToolArguments.Of(function);
        if (!ToolArguments.IsObject(arguments))
            return ApiErrors.InvalidMessages(place + ".function.arguments", $"{ApiErrors.Echo(place)}.function.arguments is not a JSON object, and this model takes nothing else.");
        if (!ToolArguments.NamesOnce(arguments))
            return ApiErrors.InvalidMessages(place + ".function.arguments",
                $"{ApiErrors.Echo(place)}.function.arguments has a name twice in one object, and this model takes each once. Leave one of them out.");
        Open("model");
        json.WriteStartObject();
        json.WriteStartObject("functionCall"u8);
        if (host.CallIds) json.WriteString("id"u8, id);
        json.WriteString("name"u8, name);
        json.WriteRaw("args"u8, arguments);
        json.WriteEndObject();
        // Of a step's calls the first carries the state; before the turn that is still open nothing is checked any more.
        var isRequired = _calls.Count == 0 && isInTurn && (model.WantsSignatures || learned.WantsSignatures);
        var signature = signatures.Find(call, id, name, arguments, isRequired);
        if (!signature.IsEmpty) json.WriteString("thoughtSignature"u8, signature);
        json.WriteEndObject();
        _calls.Add((id, name));
        return null;
    }

    /// <summary>The results gathered so far, in the order of their calls: where calls have no ids, order is what matches them.</summary>
    private ApiError? Results()
    {
        if (_results.Count == 0) return null;
        var media = new List<(JsonElement Block, string Place)>();
        foreach (var (id, name) in _calls)
        {
            if (!_results.Remove(id, out var result)) continue;
            if (Result(id, name, result.Message, result.Index, media) is { } refusal) return refusal;
        }
        _calls.Clear();
        if (_results.Count > 0)
            return ApiErrors.ToolCallIdMismatch($"messages[{_results.Values.First().Index}].tool_call_id",
                $"No call before it has the id \"{ApiErrors.Echo(_results.Keys.First())}\".");
        foreach (var (block, place) in media)
        {
            if (_media.Write(block, place) is { } refusal) return refusal;
        }
        return null;
    }

    /// <param name="media">What cannot stand inside a result with this model: it follows all of them.</param>
    private ApiError? Result(string id, string name, JsonElement message, int index, List<(JsonElement Block, string Place)> media)
    {
        var text = new StringBuilder();
        var inside = new List<(JsonElement Block, string Place)>();
        var content = message.TryGetProperty("content"u8, out var given) ? given : default;
        if (content.ValueKind == JsonValueKind.String) text.Append(content.GetString());
        if (content.ValueKind == JsonValueKind.Array)
        {
            var position = 0;
            foreach (var block in content.EnumerateArray())
            {
                if (TextOf(block) is { } said) text.Append(text.Length > 0 ? "\n" : "").Append(said.GetString());
                else (model.IsThirdGeneration ? inside : media).Add((block, $"messages[{index}].content[{position}]"));
                position++;
            }
        }
        Open("user");
        json.WriteStartObject();
        json.WriteStartObject("functionResponse"u8);
        if (host.CallIds) json.WriteString("id"u8, id);
        json.WriteString("name"u8, name);
        json.WritePropertyName("response"u8);
        var answer = Encoding.UTF8.GetBytes(text.ToString());
        // An object with a name twice is sent as text: as an object one of the two would be lost, or the request refused. So is one with a reference
        // (a schema that a tool gave), which Google takes for one to a part of this result.
        if (ToolArguments.IsObject(answer) && ToolArguments.NamesOnce(answer) && !ToolArguments.Has(answer, "$ref"u8)) json.WriteRaw(answer);
        else
        {
            json.WriteStartObject();
            json.WriteString("output"u8, answer);
            json.WriteEndObject();
        }
        if (inside.Count > 0) json.WriteStartArray("parts"u8);
        foreach (var (block, place) in inside)
        {
            if (_media.Write(block, place) is { } refusal) return refusal;
        }
        if (inside.Count > 0) json.WriteEndArray();
        json.WriteEndObject();
        json.WriteEndObject();
        return null;
    }

    private ApiError? CollectSystem(JsonElement messages)
    {
        var index = -1;
        foreach (var message in messages.EnumerateArray())
        {
            index++;
            var role = message.GetProperty("role"u8);
            if (!role.ValueEquals("system"u8) && !role.ValueEquals("developer"u8)) continue;
            var content = message.GetProperty("content"u8);
            if (content.ValueKind == JsonValueKind.String) _system.Add(content);
            if (content.ValueKind != JsonValueKind.Array) continue;
            var position = 0;
            foreach (var block in content.EnumerateArray())
            {
                if (TextOf(block) is not { } text)
                    return ApiErrors.UnsupportedParameter($"messages[{index}].content[{position}]",
                        "Instructions are text only for this model. Send images and files in a user message.");
                _system.Add(text);
                position++;
            }
        }
        _system.RemoveAll(text => text.ValueEquals(""u8));
        return null;
    }

    /// <summary>For models without instructions, and where nobody but the system speaks.</summary>
    private void SystemAsUser()
    {
        foreach (var text in _system) Text(text, "user");
        _system.Clear();
    }

    private void WriteSystem()
    {
        if (_system.Count == 0) return;
        json.WriteStartObject("systemInstruction"u8);
        json.WriteStartArray("parts"u8);
        foreach (var text in _system)
        {
            json.WriteStartObject();
            json.WriteRaw("text"u8, text);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteEndObject();
    }

    /// <summary>The text of a block of text, or of a refusal; null: another kind of block.</summary>
    private static JsonElement? TextOf(JsonElement block)
    {
        var type = block.GetProperty("type"u8);
        return type.ValueEquals("text"u8) ? block.GetProperty("text"u8) : type.ValueEquals("refusal"u8) ? block.GetProperty("refusal"u8) : null;
    }

    /// <summary>It has content that is sent.</summary>
    private static bool Says(JsonElement message)
    {
        if (message.TextOf("refusal"u8) is { Length: > 0 }) return true;
        if (!message.TryGetProperty("content"u8, out var content)) return false;
        return content.ValueKind == JsonValueKind.Array
            ? content.EnumerateArray().Any(block => TextOf(block)?.ValueEquals(""u8) is not true)
            : content.ValueKind == JsonValueKind.String && !content.ValueEquals(""u8);
    }

    /// <summary>An empty text is a fault there, and says nothing.</summary>
    private void Text(JsonElement text, string role)
    {
        if (text.ValueEquals(""u8)) return;
        Open(role);
        json.WriteStartObject();
        json.WriteRaw("text"u8, text);
        if (role == "model" && model.SignsAllParts) json.WriteString("thoughtSignature"u8, GoogleState.SkipMarker);
        json.WriteEndObject();
    }

    private void Open(string role)
    {
        if (_role == role) return;
        Close();
        _role = role;
        _media.IsModels = role == "model";
        json.WriteStartObject();
        json.WriteString("role"u8, role);
        json.WriteStartArray("parts"u8);
    }

    private void Close()
    {
        if (_role is null) return;
        json.WriteEndArray();
        json.WriteEndObject();
    }
}
