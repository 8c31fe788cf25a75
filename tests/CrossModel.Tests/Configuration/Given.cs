using System.Text;
using CrossModel.Configuration;

namespace CrossModel.Tests.Configuration;

/// <summary>A folder with a configuration file in it, and the rules that a composition would give.</summary>
internal sealed class Given : IDisposable
{
    public static readonly ConfigRules Rules = new(
        new HashSet<string> { "openai", "azure", "anthropic", "gemini", "vertex", "bedrock", "simulated" },
        new HashSet<string> { "deepseek", "ollama", "openrouter", "vllm" });

    public Given(string json = "") => Write(json);

    public string Folder { get; } = Directory.CreateTempSubdirectory("crossmodel-config-").FullName;
    public string File => Path.Combine(Folder, "crossmodel.json");
    public Dictionary<string, string> Environment { get; } = [];

    /// <summary>A file whose only model has this text as its members, beside a good route and price unless they are in it.</summary>
    public static string Model(string members, string routes = "[{ \"upstream\": \"local\", \"model\": \"m\" }]", string price = "\"free\"") =>
        "{ \"upstreams\": { \"local\": { \"baseUrl\": \"http://127.0.0.1:9001/v1\" } }, \"models\": { \"a/b\": { \"routes\": " + routes + ", \"price\": " + price
        + (members.Length == 0 ? "" : ", " + members) + " } } }";

    public static string Upstream(string members) => "{ \"upstreams\": { \"local\": { " + members + " } } }";

    public void Write(string json) => System.IO.File.WriteAllText(File, json);

    public LoadedConfig Load(bool expandSecrets = true, ConfigRules? rules = null) => ConfigLoader.Load(File, Environment, expandSecrets, rules ?? Rules);

    public static LoadedConfig LoadText(string json, params (string Name, string Value)[] environment) =>
        ConfigLoader.LoadText(Encoding.UTF8.GetBytes(json), "/etc/crossmodel/crossmodel.json", environment.ToDictionary(e => e.Name, e => e.Value), expandSecrets: true, Rules);

    /// <summary>The configuration of a text that must be without fault.</summary>
    public static GatewayConfig Good(string json, params (string Name, string Value)[] environment)
    {
        var loaded = LoadText(json, environment);
        Assert.Empty(loaded.Faults);
        return loaded.Config!;
    }

    /// <summary>The one fault of a text.</summary>
    public static ConfigFault Fault(string json, params (string Name, string Value)[] environment)
    {
        var loaded = LoadText(json, environment);
        var fault = Assert.Single(loaded.Faults);
        Assert.Equal(fault.Kind == FaultKind.Fault, loaded.Config is null);
        return fault;
    }

    public void Dispose() => Directory.Delete(Folder, recursive: true);
}
