using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using CrossModel.Dialects.OpenAI;
using CrossModel.Tests.Support;

namespace CrossModel.EndToEnd.Recordings;

/// <summary>One recorded exchange between some program and a server that speaks OpenAI's format.</summary>
internal sealed class Recording
{
    private Recording(string folder, string file)
    {
        Name = file[..^".meta.json".Length];
        var meta = JsonNode.Parse(File.ReadAllBytes(Path.Combine(folder, file)))!;
        var stem = Path.Combine(folder, Name);
        IsStream = !File.Exists(stem + ".response.json");
        Body = File.Exists(stem + ".response.json") ? File.ReadAllBytes(stem + ".response.json")
            : File.Exists(stem + ".response.sse") ? File.ReadAllBytes(stem + ".response.sse")
            : Encoding.UTF8.GetBytes(string.Concat(File.ReadLines(stem + ".response.chunks.txt").Where(l => l.Length > 0).Select(l => $"data: {l}\n\n")));
        Request = File.Exists(stem + ".request.json") ? File.ReadAllBytes(stem + ".request.json") : null;
        Status = (int)meta["status"]!;
        Expect = meta["expect"]!;
        var endpoint = (string?)meta["endpoint"] ?? "";
        var server = endpoint.StartsWith("http", StringComparison.Ordinal) && !endpoint.Contains('<', StringComparison.Ordinal) ? new Uri(endpoint) : new Uri("http://models.example/v1");
        Preset = Presets.Choose(null, server).Name;
        UpstreamModel = Request is null ? "m" : (string)JsonNode.Parse(Request)!["model"]!;
    }

    public string Name { get; }
    public int Status { get; }
    public byte[] Body { get; }
    public bool IsStream { get; }
    public byte[]? Request { get; }
    public JsonNode Expect { get; }

    /// <summary>The preset of the server that was recorded; "" when nobody has named it.</summary>
    public string Preset { get; }

    public string UpstreamModel { get; }

    /// <summary>The id under which a gateway of these tests serves it.</summary>
    public string Model => "recorded/" + Name;

    public bool IsCutByItsServer => Expect["stream_error"] is not null;

    /// <summary>The recorded request addressed to <see cref="Model"/>, every other byte as it was; a plain question where none was kept.</summary>
    public byte[] Asked()
    {
        if (Request is null) return Encoding.UTF8.GetBytes($$"""{"model":"{{Model}}","stream":{{(IsStream ? "true" : "false")}},"messages":[{"role":"user","content":"Hi"}]}""");
        var json = new Utf8JsonReader(Request);
        while (json.Read())
        {
            if (json.CurrentDepth != 1 || json.TokenType != JsonTokenType.PropertyName || !json.ValueTextEquals("model"u8)) continue;
            json.Read();
            return [.. Request.AsSpan(0, (int)json.TokenStartIndex), .. Encoding.UTF8.GetBytes($"\"{Model}\""), .. Request.AsSpan((int)json.BytesConsumed)];
        }
        throw new InvalidOperationException(Name + " asks for no model");
    }

    private static readonly Lazy<Dictionary<string, Recording>> Everything = new(() =>
        ((string[])["openai", "openai-compatible", "azure"]).SelectMany(dialect => Directory.GetFiles(Path.Combine(Fixtures.Folder!, dialect), "*.meta.json"))
            .Order(StringComparer.Ordinal).Select(f => new Recording(Path.GetDirectoryName(f)!, Path.GetFileName(f))).ToDictionary(r => r.Name));

    /// <summary>None where the recordings are not beside the checkout: their tests are then left out.</summary>
    public static IReadOnlyCollection<Recording> All => Fixtures.Folder is null ? [] : Everything.Value.Values;

    public static Recording Get(string name) => Everything.Value[name];

    public static TheoryData<string> Names(Func<Recording, bool> which) => [.. All.Where(which).Select(r => r.Name)];
}
