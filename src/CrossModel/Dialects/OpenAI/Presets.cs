using System.Text.Json;
using CrossModel.Configuration;

namespace CrossModel.Dialects.OpenAI;

/// <summary>Every server whose deviations are known: one row each. Where the facts come from: README.md beside this file.</summary>
internal static class Presets
{
    private static readonly string[] FromLowToHigh = ["low", "medium", "high"];
    private static readonly HashSet<string> OpenAIOnly =
        ["store", "metadata", "prediction", "service_tier", "verbosity", "web_search_options", "prompt_cache_key", "prompt_cache_retention", "prompt_cache_options", "moderation"];
    /// <summary>Without these a caller gets what was asked for all the same.</summary>
    public static IReadOnlyList<string> Dispensable { get; } =
        [.. OpenAIOnly, "safety_identifier", "user", "seed", "logit_bias", "presence_penalty", "frequency_penalty", "reasoning_effort"];

    /// <summary>llama.cpp answers most faults of a request with 400 by now, but not these:
    /// what a model is asked to read and cannot, what its template refuses, and what older builds cannot make sense of.</summary>
    private static readonly string[] LlamaFaults =
    [
        "image input is not supported", "audio input is not supported", OpenAIErrors.OfTemplate,
        "Failed to parse tools:", "Failed to parse messages:", "Failed to parse tool call arguments as JSON",
        "JSON schema conversion failed:",
    ];

    private static readonly HashSet<string> AudioOut = ["modalities", "audio"];

    /// <summary>And the older form of tools, which these pass over without a word.</summary>
    private static readonly HashSet<string> AudioOutAndFunctions = [.. AudioOut, "functions", "function_call"];

    /// <summary>A server nobody has named: OpenAI itself, but for the token cap, which nearly every server knows under its old name.</summary>
    public static Preset Unknown { get; } = new()
    {
        Name = "",
        User = UserSpelling.AsSent,
        DeveloperRole = true,
        Candidates = true,
        ExtraContent = true,
    };

    private static readonly Preset LlamaCpp = new()
    {
        // It counts one candidate's tokens when asked for several: asked n times the count is right.
        Name = "llama.cpp",
        Unknown = UnknownParameters.Forward,
        Reasoning = ReasoningStyle.TemplateArguments,
        Drops = OpenAIOnly,
        Refuses = AudioOutAndFunctions,
        RequestFaults = LlamaFaults,
        NamedTools = false,
        FillsCalls = true,
        ObjectSchema = true,
        MinTopLogprobs = 1,
        ClosesStreams = true,
    };

    public static IReadOnlyList<Preset> All { get; } =
    [
        new()
        {
            Name = "openai", Hosts = ["api.openai.com"], Cap = CapSpelling.MaxCompletionTokens, User = UserSpelling.SafetyIdentifier,
            DeveloperRole = true, Candidates = true, Nulls = true,
        },
        new()
        {
            Name = "deepseek", Hosts = ["api.deepseek.com"], Reasoning = ReasoningStyle.ThinkingTypeAndEffort, Efforts = [.. FromLowToHigh, "max"],
            History = ReasoningHistory.NotBeforeLastUser, ReasoningRequiredBy = "deepseek-v4",
            Drops = [.. OpenAIOnly, "seed", "logit_bias", "parallel_tool_calls"], Refuses = AudioOutAndFunctions,
        },
        new()
        {
            Name = "mistral", Hosts = ["api.mistral.ai"], Reasoning = ReasoningStyle.NoneOrHigh, History = ReasoningHistory.Dropped, Annotations = false,
            Seed = "random_seed", RequiredTool = "any", NineCharacterIds = true, Candidates = true, StreamOptions = false, NamedRoles = ["tool"],
            Drops = [.. OpenAIOnly, "logit_bias"], Refuses = [.. AudioOut, "logprobs", "top_logprobs"],
        },
        new()
        {
            Name = "xai", Hosts = ["api.x.ai"], Cap = CapSpelling.MaxCompletionTokens, User = UserSpelling.User, Candidates = true,
            Reasoning = ReasoningStyle.NearestEffort, Efforts = FromLowToHigh, Drops = OpenAIOnly, Refuses = AudioOut, NamedRoles = ["user"],
        },
        new()
        {
            Name = "groq", Hosts = ["api.groq.com"], Cap = CapSpelling.MaxCompletionTokens, User = UserSpelling.User,
            Reasoning = ReasoningStyle.NearestEffort, Efforts = ["none", .. FromLowToHigh], History = ReasoningHistory.AsReasoning, Annotations = false,
            Drops = ["store", "prediction", "verbosity", "web_search_options", "logit_bias", "metadata",
                "prompt_cache_key", "prompt_cache_retention", "prompt_cache_options", "moderation"],
            Refuses = [.. AudioOut, "logprobs", "top_logprobs"],
        },
        new()
        {
            Name = "openrouter", Hosts = ["openrouter.ai"], User = UserSpelling.User, Reasoning = ReasoningStyle.ReasoningObject,
            History = ReasoningHistory.AsReasoning, ExtraContent = true, DeveloperRole = true, Unknown = UnknownParameters.Forward,
        },
        new()
        {
            Name = "together", Hosts = ["api.together.xyz", "api.together.ai"], Reasoning = ReasoningStyle.NearestEffort, Efforts = FromLowToHigh,
            Candidates = true, RequiredTool = null, Drops = OpenAIOnly, Refuses = AudioOut,
        },
        new()
        {
            Name = "fireworks", Hosts = ["api.fireworks.ai"], User = UserSpelling.User, Reasoning = ReasoningStyle.NearestEffort, Efforts = FromLowToHigh,
            Candidates = true, Seed = null, Drops = OpenAIOnly, Refuses = AudioOut,
            // Fireworks otherwise shortens a prompt that is too long without a word.
            Adds = ("context_length_exceeded_behavior", "\"error\""),
        },
        new()
        {
            Name = "moonshot", Hosts = ["api.moonshot.ai", "api.moonshot.cn"], Reasoning = ReasoningStyle.ThinkingType, Candidates = true,
            Strict = false, MaxTemperature = 1, Drops = [.. OpenAIOnly, "seed", "logit_bias"], Refuses = [.. AudioOut, "logprobs", "top_logprobs"],
        },
        new()
        {
            Name = "dashscope", Hosts = ["dashscope.aliyuncs.com", "dashscope-intl.aliyuncs.com", "dashscope-us.aliyuncs.com"],
            Reasoning = ReasoningStyle.EnableThinking, StreamsOnly = "qwq", QuotaIsRate = true, Drops = [.. OpenAIOnly, "logit_bias"],
        },
        new()
        {
            Name = "zai", Hosts = ["api.z.ai", "open.bigmodel.cn"], Reasoning = ReasoningStyle.ThinkingType, MaxStops = 1, MaxTemperature = 1,
            // It takes no tool_choice but auto.
            RequiredTool = null, NamedTools = false, Strict = false, Drops = [.. OpenAIOnly, "seed", "logit_bias", "presence_penalty", "frequency_penalty", "parallel_tool_calls"],
            Refuses = [.. AudioOut, "logprobs", "top_logprobs"],
        },
        new()
        {
            Name = "minimax", Hosts = ["api.minimax.io", "api.minimaxi.com"], Reasoning = ReasoningStyle.ThinkingType, MaxTemperature = 1,
            // Zero itself is refused.
            MinTemperature = 0.01,
            ReasoningInDetails = true, CodeInMessage = true,
            FormatIgnoredBy = "MiniMax-M2", Adds = ("reasoning_split", "true"),
            Drops = [.. OpenAIOnly, "seed", "logit_bias", "presence_penalty", "frequency_penalty"],
            Refuses = [.. AudioOut, "logprobs", "top_logprobs"],
        },
        new()
        {
            Name = "cerebras", Hosts = ["api.cerebras.ai"], Cap = CapSpelling.MaxCompletionTokens, User = UserSpelling.User,
            Reasoning = ReasoningStyle.NearestEffort, Efforts = FromLowToHigh, History = ReasoningHistory.AsReasoning, Annotations = false,
            Drops = [.. OpenAIOnly, "presence_penalty", "frequency_penalty", "logit_bias"], Refuses = AudioOut,
        },
        new()
        {
            Name = "perplexity", Hosts = ["api.perplexity.ai"], Reasoning = ReasoningStyle.NearestEffort, Efforts = ["minimal", .. FromLowToHigh],
            StreamOptions = false, History = ReasoningHistory.Dropped, Annotations = false,
            Drops = ["store", "metadata", "prediction", "service_tier", "verbosity", "seed",
                "logit_bias", "parallel_tool_calls", "prompt_cache_key", "prompt_cache_retention", "prompt_cache_options", "moderation"],
            Refuses = [.. AudioOutAndFunctions, "logprobs", "top_logprobs", "tools", "tool_choice"],
        },
        new()
        {
            Name = "gemini-compat", Hosts = ["generativelanguage.googleapis.com"], Reasoning = ReasoningStyle.NearestEffort, Efforts = ["none", .. FromLowToHigh],
            ExtraContent = true, Unsigned = ["gemini-1.", "gemini-2.", "gemma"],
            Candidates = true, SurplusIsReasoning = true,
            History = ReasoningHistory.Dropped, Annotations = false,
            Drops = [.. OpenAIOnly, "seed", "logit_bias", "presence_penalty", "frequency_penalty", "parallel_tool_calls"], Refuses = [.. AudioOut, "logprobs", "top_logprobs"],
        },
        new()
        {
            Name = "snowflake", Hosts = ["snowflakecomputing.com"], Cap = CapSpelling.MaxCompletionTokens, Reasoning = ReasoningStyle.ReasoningObject,
            ReasoningInDetails = true, Drops = [.. OpenAIOnly, "seed", "logit_bias"], Refuses = AudioOut,
        },
        new() { Name = "huggingface", Hosts = ["router.huggingface.co"], Candidates = true, Drops = OpenAIOnly, Refuses = AudioOut },
        new()
        {
            Name = "vllm", Candidates = true, Unknown = UnknownParameters.Forward, User = UserSpelling.User, History = ReasoningHistory.AsReasoning,
            Drops = ["store", "metadata", "prediction", "verbosity", "web_search_options", "moderation"], Refuses = AudioOutAndFunctions,
        },
        new()
        {
            Name = "sglang", Candidates = true, Unknown = UnknownParameters.Forward, Reasoning = ReasoningStyle.TemplateArguments,
            Drops = ["store", "metadata", "prediction", "verbosity", "web_search_options", "moderation", "service_tier"], Refuses = AudioOutAndFunctions,
        },
        LlamaCpp,
        LlamaCpp with { Name = "gpustack" },
        new()
        {
            Name = "ollama", Hosts = [":11434", "ollama.com"], Unknown = UnknownParameters.Forward, History = ReasoningHistory.AsReasoning,
            Reasoning = ReasoningStyle.NearestEffort, Efforts = ["none", .. FromLowToHigh],
            // It passes over tool_choice, whatever it says.
            RequiredTool = null, NamedTools = false, FillsCalls = true,
            Drops = [.. OpenAIOnly, "logit_bias", "parallel_tool_calls"], Refuses = [.. AudioOutAndFunctions, "logprobs", "top_logprobs"],
        },
        new()
        {
            Name = "lmstudio", Hosts = [":1234"], Unknown = UnknownParameters.Forward, NamedTools = false, Drops = OpenAIOnly,
            Refuses = [.. AudioOutAndFunctions, "logprobs", "top_logprobs"],
        },
    ];

    public static IReadOnlySet<string> Names { get; } = All.Select(p => p.Name).ToHashSet();

    /// <summary>By the configured name, else by where the upstream is, else <see cref="Unknown"/>.</summary>
    public static Preset Choose(string? name, Uri address)
    {
        if (name is not null) return All.FirstOrDefault(p => p.Name == name) ?? Unknown;
        return All.FirstOrDefault(p => p.Hosts.Any(host => IsAt(address, host))) ?? Unknown;
    }

    /// <summary>
    /// The preset of a server without an address of its own, by what it calls itself in its list of models (<c>owned_by</c>: vllm, sglang, llamacpp,
    /// gpustack); null: nobody known.
    /// </summary>
    public static string? Of(ReadOnlyMemory<byte> models)
    {
        try
        {
            using var json = JsonDocument.Parse(models);
            if (json.RootElement.ValueKind != JsonValueKind.Object || !json.RootElement.TryGetProperty("data"u8, out var data)
                || data.ValueKind != JsonValueKind.Array) return null;
            // All its models: a gateway that lists those of many says so too.
            return data.GetArrayLength() == 0 ? null : All.FirstOrDefault(p => p.Hosts.Count == 0 && data.EnumerateArray().All(model => model.ValueKind == JsonValueKind.Object
                && model.TryGetProperty("owned_by"u8, out var owner) && owner.ValueKind == JsonValueKind.String && owner.ValueEquals(p.Name.Replace(".", ""))))?.Name;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // The second: an escape in it stands for no text.
            return null;
        }
    }

    private static bool IsAt(Uri address, string host) => host[0] == ':'
        ? address.IsLoopback && address.Port.ToString(System.Globalization.CultureInfo.InvariantCulture) == host[1..]
        : address.Host.Equals(host, StringComparison.OrdinalIgnoreCase) || address.Host.EndsWith("." + host, StringComparison.OrdinalIgnoreCase);
}
