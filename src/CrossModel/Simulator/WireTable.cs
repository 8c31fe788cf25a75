namespace CrossModel.Simulator;

/// <summary>Which provider a path belongs to.</summary>
internal static class WireTable
{
    /// <param name="otherwise">The status for a request that no wire takes.</param>
    public static SimulatedWire? Find(HttpRequest request, TimeProvider time, out int otherwise)
    {
        var wire = Of(request.Path.Value ?? "", time);
        otherwise = wire is null ? 404 : 405;
        return HttpMethods.IsPost(request.Method) ? wire : null;
    }

    private static SimulatedWire? Of(string path, TimeProvider time) => path.Split('/', StringSplitOptions.RemoveEmptyEntries) switch
    {
        ["v1", "chat", "completions"] or ["chat", "completions"] => new OpenAIWire { Time = time },
        ["openai", "deployments", var deployment, "chat", "completions"] => new AzureWire(Uri.UnescapeDataString(deployment)) { Time = time },
        ["openai", "v1", "chat", "completions"] or ["models", "chat", "completions"] => new AzureWire(null) { Time = time },
        ["v1", "messages"] or ["messages"] => new AnthropicWire { Time = time },
        ["v1" or "v1beta" or "v1alpha", "models", var call] => Gemini(call, false, time),
        ["v1" or "v1beta1", "publishers", "google", "models", var call] => Gemini(call, true, time),
        ["v1" or "v1beta1", "projects", _, "locations", _, "publishers", "google", "models", var call] => Gemini(call, true, time),
        ["v1" or "v1beta1", "projects", _, "locations", _, "publishers", "anthropic", "models", var call] => Claude(call, time),
        ["model", var model, "invoke"] => new InvokeWire(Uri.UnescapeDataString(model), false) { Time = time },
        ["model", var model, "invoke-with-response-stream"] => new InvokeWire(Uri.UnescapeDataString(model), true) { Time = time },
        ["model", var model, "converse"] => new BedrockWire(Uri.UnescapeDataString(model), false) { Time = time },
        ["model", var model, "converse-stream"] => new BedrockWire(Uri.UnescapeDataString(model), true) { Time = time },
        _ => null,
    };

    // The method stands after the last colon: a model's name (or a script in its place) may hold colons too.
    private static GeminiWire? Gemini(string call, bool vertex, TimeProvider time) => Method(call, out var model) switch
    {
        "generateContent" => new GeminiWire(model, vertex, false) { Time = time },
        "streamGenerateContent" => new GeminiWire(model, vertex, true) { Time = time },
        _ => null,
    };

    private static AnthropicWire? Claude(string call, TimeProvider time) => Method(call, out var model) switch
    {
        "rawPredict" => new AnthropicWire(ClaudeHost.Vertex(model)) { Time = time },
        "streamRawPredict" => new AnthropicWire(ClaudeHost.Vertex(model), true) { Time = time },
        _ => null,
    };

    private static string Method(string call, out string model)
    {
        var colon = call.LastIndexOf(':');
        model = Uri.UnescapeDataString(colon < 0 ? call : call[..colon]);
        return colon < 0 ? "" : call[(colon + 1)..];
    }
}
