using System.Text.Json;

namespace CrossModel.Simulator;

/// <summary>
/// Azure OpenAI: OpenAI's bodies behind other paths, with content filter results on everything, a first chunk that has no choices,
/// no id and no model, and errors of its own.
/// </summary>
/// <param name="deployment">The deployment in the path; null where the body names it.</param>
internal sealed class AzureWire(string? deployment) : OpenAIWire
{
    private const string Clean = """{"hate":{"filtered":false,"severity":"safe"},"self_harm":{"filtered":false,"severity":"safe"},"sexual":{"filtered":false,"severity":"safe"},"violence":{"filtered":false,"severity":"safe"}}""";
    private string? _version;

    public override WireError? CheckHead(HttpRequest request, ReadOnlySpan<byte> body)
    {
        _version = request.Query["api-version"];
        if (request.Headers["api-key"].Count == 0 && request.Headers.Authorization.Count == 0)
            return new WireError(401, "Access denied due to invalid subscription key or wrong API endpoint.", "401");
        return deployment is not null && string.IsNullOrEmpty(_version) ? new WireError(404, "Resource not found", "404") : null;
    }

    public override WireError? Read(JsonElement body)
    {
        Prompt.Model = deployment ?? "";
        var error = base.Read(body);
        if (deployment is not null)
            Prompt.Model = deployment;
        // Dated versions before this one do not know the member at all; there is no usage in their streams.
        if (deployment is not null && body.Get("stream_options").Exists() && string.CompareOrdinal(_version, "2024-09-01") < 0 && _version is ['2', '0', ..])
            error ??= new WireError(400, "Unrecognized request argument supplied: stream_options", Type: "invalid_request_error");
        return error;
    }

    public override IEnumerable<WireEvent> Stream(IReadOnlyList<SimulatedReply> replies) =>
        base.Stream(replies).Prepend(Event(EventKind.Open, null, JsonParts.Write(json =>
        {
            json.WriteStartObject();
            json.WriteStartArray("choices");
            json.WriteEndArray();
            json.WriteNumber("created", 0);
            json.WriteString("id", "");
            json.WriteString("model", "");
            json.WriteString("object", "");
            WritePromptFilter(json);
            json.WriteEndObject();
        })));

    protected override void WriteTail(Utf8JsonWriter json, bool whole)
    {
        base.WriteTail(json, whole);
        if (whole)
            WritePromptFilter(json);
    }

    protected override void WriteChoiceExtras(Utf8JsonWriter json)
    {
        json.WritePropertyName("content_filter_results");
        json.WriteRawValue(Clean);
    }

    /// <summary>A reply that the filter stopped has no message at all.</summary>
    protected override void WriteMessage(Utf8JsonWriter json, SimulatedReply reply)
    {
        if (reply.Finish != Finish.Filtered)
            base.WriteMessage(json, reply);
    }

    private static void WritePromptFilter(Utf8JsonWriter json)
    {
        json.WriteStartArray("prompt_filter_results");
        json.WriteStartObject();
        json.WriteNumber("prompt_index", 0);
        json.WritePropertyName("content_filter_results");
        json.WriteRawValue(Clean);
        json.WriteEndObject();
        json.WriteEndArray();
    }

    public override byte[] ErrorBody(WireError error)
    {
        if (error.Code != "content_filter")
            return error.Status is 401 or 404 or 429 && error.Param is null ? Short(error) : base.ErrorBody(error);
        return JsonParts.Write(json =>
        {
            json.WriteStartObject();
            json.WriteStartObject("error");
            json.WriteString("message", error.Message);
            json.WriteNull("type");
            json.WriteString("param", "prompt");
            json.WriteString("code", "content_filter");
            json.WriteNumber("status", 400);
            json.WriteStartObject("innererror");
            json.WriteString("code", "ResponsibleAIPolicyViolation");
            json.WritePropertyName("content_filter_result");
            json.WriteRawValue(Clean.Replace("\"violence\":{\"filtered\":false,\"severity\":\"safe\"}", "\"violence\":{\"filtered\":true,\"severity\":\"high\"}", StringComparison.Ordinal));
            json.WriteEndObject();
            json.WriteEndObject();
            json.WriteEndObject();
        });
    }

    /// <summary>What the gateway in front of the models says: a code that is a string, no type.</summary>
    private static byte[] Short(WireError error) => JsonParts.Write(json =>
    {
        json.WriteStartObject();
        json.WriteStartObject("error");
        json.WriteString("code", error.Code ?? error.Status switch { 401 => "401", 404 => "DeploymentNotFound", _ => "RateLimitReached" });
        json.WriteString("message", error.Message);
        json.WriteEndObject();
        json.WriteEndObject();
    });

    public override void AddHeaders(IHeaderDictionary headers, WireError? error)
    {
        headers["apim-request-id"] = new Dice(~Prompt.Seed + 1).Letters(32);
        headers["x-ms-region"] = "Simulated Region";
        headers["x-ratelimit-remaining-requests"] = error?.Status == 429 ? "0" : "99";
        if (deployment is not null)
            headers["x-ms-deployment-name"] = Uri.EscapeDataString(deployment);
    }
}
