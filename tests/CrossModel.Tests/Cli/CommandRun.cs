using System.Text.Json;
using CrossModel.Cli;
using CrossModel.Configuration;
using CrossModel.Tests.Support;

namespace CrossModel.Tests.Cli;

/// <summary>Commands run in this process, in a working folder of their own, with what they said.</summary>
internal sealed class CommandRun(TimeProvider? time = null, string? folder = null)
{
    private static readonly HashSet<string> s_dialects = ["openai"];

    public string Folder { get; } = folder ?? TempFolder.New();
    public Dictionary<string, string> Variables { get; } = [];
    public List<ServeOrder> Served { get; } = [];

    /// <summary>Where stdout goes instead; null: it is kept.</summary>
    public TextWriter? Stdout { get; init; }

    /// <summary>stdout of the last command, without its last line end.</summary>
    public string Out { get; private set; } = "";
    public string Error { get; private set; } = "";

    public string DatabaseFile => Path.Combine(Folder, "data", "crossmodel.db");

    /// <summary>Answers the exit code.</summary>
    public async Task<int> RunAsync(params string[] words)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        var code = await CommandLine.RunAsync(words, new CommandEnvironment
        {
            Out = Stdout ?? output,
            Error = error,
            Variables = Variables,
            Folder = Folder,
            Rules = new ConfigRules(s_dialects, new HashSet<string>()),
            Time = time ?? TimeProvider.System,
            Explain = (order, target) => Explaining.Run(order, Variables, time ?? TimeProvider.System, target),
            ServeAsync = order =>
            {
                Served.Add(order);
                return Task.FromResult(0);
            },
        });
        (Out, Error) = (output.ToString().TrimEnd('\n'), error.ToString());
        return code;
    }

    /// <summary>Runs what must succeed and answers its stdout.</summary>
    public async Task<string> GoodAsync(params string[] words)
    {
        var code = await RunAsync(words);
        Assert.True(code == 0, $"{string.Join(' ', words)} ended with {code}: {Error}");
        return Out;
    }

    /// <summary>Runs with --json what must succeed and answers the JSON.</summary>
    public async Task<JsonElement> JsonAsync(params string[] words) => JsonDocument.Parse(await GoodAsync([.. words, "--json"])).RootElement;
}
