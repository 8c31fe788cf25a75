using Microsoft.AspNetCore.Http;

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

    private static OpenAiWire? Of(string path, TimeProvider time) => path.Split('/', StringSplitOptions.RemoveEmptyEntries) switch
    {
        ["v1", "chat", "completions"] or ["chat", "completions"] => new OpenAiWire { Time = time },
        ["openai", "deployments", var deployment, "chat", "completions"] => new AzureWire(deployment) { Time = time },
        ["openai", "v1", "chat", "completions"] or ["models", "chat", "completions"] => new AzureWire(null) { Time = time },
        _ => null,
    };
}
