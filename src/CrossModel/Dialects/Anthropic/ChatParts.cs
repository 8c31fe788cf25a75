using System.Buffers.Text;
using System.Text.Json;
using CrossModel.Protocol;

namespace CrossModel.Dialects.Anthropic;

/// <summary>A chat completion as it is looked at on the way to Claude, and to what speaks like it.</summary>
internal static class ChatParts
{
    /// <summary>What a model is told that has no other way of answering in JSON.</summary>
    public const string OnlyJson = "Respond with one JSON object and nothing else.";

    /// <summary>Describes the tool that is called in the place of a schema.</summary>
    public const string AnswerTool = "Gives the answer. Call it with the whole answer as input.";

    /// <summary>Of a model that takes neither <c>response_format</c> in its own way nor a tool in its place.</summary>
    public const string NoSchema = "This model can be held neither to a JSON schema nor to a tool.";

    public static readonly JsonWriterOptions WriterOptions = new() { Encoder = JsonText.Encoder, SkipValidation = true };

    /// <summary>Parameters of taste that Bedrock has no place for, nor Claude for all but the caller's name.</summary>
    public static readonly ChatParameter[] WithoutCounterpart =
    [
        ChatParameter.PresencePenalty, ChatParameter.FrequencyPenalty, ChatParameter.LogitBias, ChatParameter.Seed, ChatParameter.Prediction,
        ChatParameter.Verbosity, ChatParameter.Store, ChatParameter.Metadata, ChatParameter.SafetyIdentifier, ChatParameter.User, ChatParameter.WebSearchOptions,
        ChatParameter.PromptCacheKey, ChatParameter.PromptCacheRetention, ChatParameter.PromptCacheOptions, ChatParameter.Moderation,
    ];

    /// <summary>The value of a parameter; null's for an absent one.</summary>
    public static JsonDocument Parse(ChatRequest request, ChatParameter parameter)
    {
        var span = request.Value(parameter);
        return JsonDocument.Parse(span.IsPresent ? request.Body.Slice(span.Start, span.Length) : "null"u8.ToArray());
    }

    /// <summary>Of a response_format; undefined: there is none.</summary>
    public static JsonElement SchemaOf(JsonElement format) =>
        format.ValueKind == JsonValueKind.Object && format.TryGetProperty("json_schema"u8, out var named) && named.ValueKind == JsonValueKind.Object
            && named.TryGetProperty("schema"u8, out var schema) ? schema : default;

    /// <summary>JSON without a schema is asked for: the model has to be told in words.</summary>
    public static bool WantsBareJson(ChatRequest request, bool hasSchema) =>
        request.Features.HasFlag(ChatFeatures.JsonObject) || (request.Features.HasFlag(ChatFeatures.JsonSchema) && !hasSchema);

    /// <summary>Names what was left out: hints, parameters that have no counterpart, and unknown ones.</summary>
    /// <param name="sends">An unknown parameter of that name has been written.</param>
    public static void NoteIgnored(ChatRequest request, UpstreamRequest upstream, HashSet<string> hints, ChatParameter[] without, Func<string, bool> sends)
    {
        if (request.Features.HasFlag(ChatFeatures.CacheBreakpoints)) hints.Add("prompt_cache_breakpoint");
        upstream.Ignored.AddRange(hints.Order(StringComparer.Ordinal));
        upstream.Ignored.AddRange(without.Where(p => request.Has(p) && !IsDefault(request, p)).Select(ChatParameters.Name));
        upstream.Ignored.AddRange(request.Unknown.Select(u => u.Name).Where(name => !sends(name)));
    }

    public static bool Is(ChatRequest request, ChatParameter parameter, ReadOnlySpan<byte> value) =>
        request.Has(parameter) && request.Value(parameter).In(request.Body).SequenceEqual(value);

    /// <summary>Asks for nothing beyond what happens anyway.</summary>
    public static bool IsDefault(ChatRequest request, ChatParameter parameter) => parameter switch
    {
        ChatParameter.Store => Is(request, parameter, "false"u8),
        ChatParameter.PresencePenalty or ChatParameter.FrequencyPenalty => Number(request, parameter) is 0,
        _ => false,
    };

    public static double Number(ChatRequest request, ChatParameter parameter) =>
        Utf8Parser.TryParse(request.Value(parameter).In(request.Body), out double number, out _) ? number : double.NaN;

    /// <param name="who">Claude, or the place that serves the model.</param>
    public static ApiError? Refuse(ChatRequest request, string who)
    {
        if (request.Features.HasFlag(ChatFeatures.Logprobs)) return Lacks("logprobs", $"{who} gives no log probabilities.");
        if (request.Features.HasFlag(ChatFeatures.OtherModalities)) return Lacks("modalities", $"{who} answers with text only.");
        if (request.Has(ChatParameter.Audio)) return Lacks("audio", $"{who} answers with text only.");
        if (request.Has(ChatParameter.Functions)) return Lacks("functions", "functions is the older form. Send tools.");
        return request.Has(ChatParameter.FunctionCall) ? Lacks("function_call", "function_call is the older form. Send tool_choice.") : null;
    }

    public static ApiError Lacks(string param, string what) => ApiErrors.UnsupportedParameter(param, what + $" Leave {param} out, or choose another model.");
}
