using System.Text;
using System.Text.Json;
using CrossModel.Protocol;

namespace CrossModel.Dialects.OpenAI;

/// <summary>What a server is known not to take, against what the request asks for: refused, unless it asks for nothing with it.</summary>
internal static class ServerLimits
{
    public static ApiError? Check(ChatRequest request, Preset preset, string upstreamModel)
    {
        if (preset.FormatIgnoredBy is { } beginning
            && upstreamModel.StartsWith(beginning, StringComparison.OrdinalIgnoreCase)
            && (request.Features & (ChatFeatures.JsonObject | ChatFeatures.JsonSchema)) != 0)
        {
            return ApiErrors.UnsupportedParameter("response_format",
                "The server behind this model passes over response_format. Ask for JSON in the prompt, or choose another model.");
        }
        foreach (var name in preset.Refuses)
        {
            if (ParameterOf(name) is { } parameter && request.Has(parameter) && !IsDefault(request, parameter))
                return ApiErrors.UnsupportedParameter(name, $"The server behind this model does not know {name}. {Instead(parameter)}, or choose another model.");
        }
        // Without the word a name may still do.
        if (preset.RequiredTool is null && request.Features.HasFlag(ChatFeatures.ForcedTool)
            && (!preset.NamedTools || request.Value(ChatParameter.ToolChoice).In(request.Body) is [(byte)'"', ..]))
        {
            return ApiErrors.UnsupportedParameter("tool_choice",
                "The server behind this model cannot be made to call a tool. Use tool_choice \"auto\", or choose another model.");
        }
        if (preset.MaxStops < 4 && request.Has(ChatParameter.Stop) && CountStops(request) > preset.MaxStops)
            return ApiErrors.UnsupportedParameter("stop", $"The server behind this model takes {preset.MaxStops} stop sequence only.");
        return null;
    }

    private static string Instead(ChatParameter parameter) =>
        parameter is ChatParameter.Functions or ChatParameter.FunctionCall ? "Send tools and tool_choice instead" : "Leave it out";

    public static ChatParameter? ParameterOf(string name)
    {
        var index = ChatParameters.Table.Find(Encoding.UTF8.GetBytes(name));
        return index < 0 ? null : (ChatParameter)index;
    }

    /// <summary>A value that asks for nothing beyond what every server does.</summary>
    public static bool IsDefault(ChatRequest request, ChatParameter parameter) => parameter switch
    {
        ChatParameter.Logprobs or ChatParameter.TopLogprobs => !request.Features.HasFlag(ChatFeatures.Logprobs),
        ChatParameter.Modalities => !request.Features.HasFlag(ChatFeatures.OtherModalities),
        ChatParameter.Tools => !request.Features.HasFlag(ChatFeatures.Tools),
        ChatParameter.ToolChoice => !request.Features.HasFlag(ChatFeatures.ForcedTool),
        ChatParameter.Functions => request.Value(parameter).In(request.Body)[1..^1].IndexOfAnyExcept(" \t\r\n"u8) < 0,
        ChatParameter.FunctionCall => request.Value(parameter).In(request.Body) is [(byte)'"', ..],
        ChatParameter.Store => request.Value(parameter).In(request.Body) is [(byte)'f', ..],
        ChatParameter.ParallelToolCalls => request.Value(parameter).In(request.Body) is [(byte)'t', ..],
        _ => false,
    };

    private static int CountStops(ChatRequest request)
    {
        using var json = JsonDocument.Parse(request.Body.Slice(request.Value(ChatParameter.Stop).Start, request.Value(ChatParameter.Stop).Length));
        return json.RootElement.ValueKind == JsonValueKind.Array ? json.RootElement.GetArrayLength() : 1;
    }
}
