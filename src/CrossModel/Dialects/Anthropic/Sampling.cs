using System.Text.Json;
using CrossModel.Protocol;

namespace CrossModel.Dialects.Anthropic;

/// <summary>Writes temperature, top_p and stop under the names that the API has for them.</summary>
internal static class Sampling
{
    /// <summary>Temperature reaches from 0 to 1 here, and newer models take neither it nor top_p, older ones only one of them.</summary>
    /// <param name="isFree">The model takes them, and does not think.</param>
    /// <param name="byBoth">It takes both together.</param>
    public static void Write(Utf8JsonWriter json, ChatRequest request, bool isFree, bool byBoth, ReadOnlySpan<byte> topP, List<string> ignored)
    {
        var hasTemperature = request.Has(ChatParameter.Temperature);
        if (hasTemperature && !isFree) ignored.Add("temperature");
        else if (hasTemperature && ChatParts.Number(request, ChatParameter.Temperature) > 1)
        {
            json.WriteNumber("temperature"u8, 1);
            ignored.Add("temperature=1");
        }
        else if (hasTemperature) json.WriteRaw("temperature"u8, request.Value(ChatParameter.Temperature).In(request.Body));
        if (!request.Has(ChatParameter.TopP)) return;
        if (isFree && (byBoth || !hasTemperature)) json.WriteRaw(topP, request.Value(ChatParameter.TopP).In(request.Body));
        else ignored.Add("top_p");
    }

    /// <param name="takesBlank">False: an entry of white space only is left out, because the model refuses it, and named by its place.</param>
    public static void WriteStop(Utf8JsonWriter json, ChatRequest request, ReadOnlySpan<byte> name, bool takesBlank, HashSet<string> hints)
    {
        if (!request.Has(ChatParameter.Stop)) return;
        using var stop = ChatParts.Parse(request, ChatParameter.Stop);
        var entries = stop.RootElement.ValueKind == JsonValueKind.Array ? stop.RootElement.EnumerateArray().ToList() : [stop.RootElement];
        if (entries.Count == 0) return;
        bool IsTaken(JsonElement entry) => takesBlank || !string.IsNullOrWhiteSpace(entry.GetString());
        if (!entries.Exists(IsTaken))
        {
            hints.Add("stop");
            return;
        }
        json.WriteStartArray(name);
        for (var i = 0; i < entries.Count; i++)
        {
            if (IsTaken(entries[i])) json.WriteRaw(entries[i]);
            else hints.Add($"stop[{i}]");
        }
        json.WriteEndArray();
    }
}
