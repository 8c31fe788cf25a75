using CrossModel.Configuration;

namespace CrossModel.Routing;

/// <summary>A public provider as the built-in catalogue and the first run know it.</summary>
/// <param name="Name">Its name in the catalogue, and the first part of its models' public ids.</param>
/// <param name="Dialect">How the first run speaks to it.</param>
/// <param name="BaseUrl">Null: the dialect's own public address, or none that all accounts share.</param>
/// <param name="Hosts">Ends of host names that are this provider.</param>
/// <param name="Keys">Environment variables that people already keep its key in, the first that is set wins. Empty: not found by a key alone.</param>
internal sealed record Vendor(string Name, string Dialect, string? BaseUrl, IReadOnlyList<string> Hosts, IReadOnlyList<string> Keys)
{
    public static IReadOnlyList<Vendor> All { get; } =
    [
        new("openai", "openai", "https://api.openai.com/v1", ["api.openai.com"], ["OPENAI_API_KEY"]),
        new("anthropic", "anthropic", "https://api.anthropic.com", ["api.anthropic.com"], ["ANTHROPIC_API_KEY"]),
        new("google", "gemini", "https://generativelanguage.googleapis.com", ["generativelanguage.googleapis.com"], ["GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_GENERATIVE_AI_API_KEY"]),
        new("deepseek", "openai", "https://api.deepseek.com", ["api.deepseek.com"], ["DEEPSEEK_API_KEY"]),
        new("mistral", "openai", "https://api.mistral.ai/v1", ["api.mistral.ai"], ["MISTRAL_API_KEY"]),
        new("xai", "openai", "https://api.x.ai/v1", ["api.x.ai"], ["XAI_API_KEY"]),
        new("groq", "openai", "https://api.groq.com/openai/v1", ["api.groq.com"], ["GROQ_API_KEY"]),
        new("moonshotai", "openai", "https://api.moonshot.ai/v1", ["api.moonshot.ai", "api.moonshot.cn"], ["MOONSHOT_API_KEY"]),
        new("zai", "openai", "https://api.z.ai/api/paas/v4", ["api.z.ai", "open.bigmodel.cn"], ["ZHIPU_API_KEY", "ZAI_API_KEY"]),
        new("alibaba", "openai", "https://dashscope-intl.aliyuncs.com/compatible-mode/v1", ["dashscope-intl.aliyuncs.com", "dashscope.aliyuncs.com"], ["DASHSCOPE_API_KEY"]),
        new("minimax", "openai", "https://api.minimax.io/v1", ["api.minimax.io"], ["MINIMAX_API_KEY"]),
        new("cohere", "openai", "https://api.cohere.ai/compatibility/v1", ["api.cohere.ai", "api.cohere.com"], ["COHERE_API_KEY"]),
        new("perplexity", "openai", "https://api.perplexity.ai", ["api.perplexity.ai"], ["PERPLEXITY_API_KEY"]),
        new("cerebras", "openai", "https://api.cerebras.ai/v1", ["api.cerebras.ai"], ["CEREBRAS_API_KEY"]),
        new("fireworks-ai", "openai", "https://api.fireworks.ai/inference/v1", ["api.fireworks.ai"], ["FIREWORKS_API_KEY"]),
        new("togetherai", "openai", "https://api.together.xyz/v1", ["api.together.xyz", "api.together.ai"], ["TOGETHER_API_KEY"]),
        new("azure", "azure", null, ["openai.azure.com", "services.ai.azure.com", "cognitiveservices.azure.com"], []),
        new("google-vertex", "vertex", null, ["aiplatform.googleapis.com"], []),
        new("amazon-bedrock", "bedrock", null, ["amazonaws.com", "api.aws"], []),
    ];

    /// <summary>Whose facts hold for this upstream: by the host it goes to; a dialect that one provider alone speaks tells it behind any address. Null: nobody we know.</summary>
    public static Vendor? Of(UpstreamConfig upstream)
    {
        if (Uri.TryCreate(upstream.BaseUrl, UriKind.Absolute, out var address)
            && All.FirstOrDefault(v => v.Hosts.Any(h => address.Host == h || address.Host.EndsWith('.' + h) || IsRegional(address.Host, h))) is { } at) return at;
        return upstream.Dialect == "openai" && upstream.BaseUrl is not null ? null : All.FirstOrDefault(v => v.Dialect == upstream.Dialect);
    }

    /// <summary>Vertex puts its region before the host with a hyphen: europe-west1-aiplatform.googleapis.com.</summary>
    private static bool IsRegional(string host, string end) => end.StartsWith("aiplatform", StringComparison.Ordinal) && host.EndsWith('-' + end, StringComparison.Ordinal);
}
