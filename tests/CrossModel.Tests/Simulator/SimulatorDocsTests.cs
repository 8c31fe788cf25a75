using System.Text.RegularExpressions;
using CrossModel.Simulator;
using CrossModel.Tests.Support;

namespace CrossModel.Tests.Simulator;

/// <summary>docs/simulator.md shows what really happens. UPDATE_GOLDEN=1 writes the outputs anew.</summary>
public sealed partial class SimulatorDocsTests
{
    private static readonly string File = RepoRoot.File("docs", "simulator.md");

    [Fact]
    public async Task Docs_EveryExample_AnswersAsShown()
    {
        await using var simulator = await SimulatorClient.StartAsync(new SimulatorOptions { Time = new StoppedClock() });
        var text = await System.IO.File.ReadAllTextAsync(File, TestContext.Current.CancellationToken);
        var examples = Example().Matches(text);
        Assert.True(examples.Count >= 3);
        var written = text;
        foreach (Match example in examples)
        {
            var path = new Uri(example.Groups["url"].Value).PathAndQuery;
            var shown = Show((await simulator.RawAsync(example.Groups["body"].Value, path)).Text, example.Groups["head"].Success);
            if (Environment.GetEnvironmentVariable("UPDATE_GOLDEN") == "1")
                written = written.Replace(example.Value, example.Value[..^(example.Groups["output"].Length + 3)] + shown + "\n```", StringComparison.Ordinal);
            else
                Assert.Equal(example.Groups["output"].Value.Trim(), shown);
        }
        if (written != text)
            await System.IO.File.WriteAllTextAsync(File, written, TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task Docs_FaultTable_IsTheGrammar()
    {
        var ct = TestContext.Current.CancellationToken;
        var documented = Row().Matches(await System.IO.File.ReadAllTextAsync(File, ct)).SelectMany(row => Code().Matches(row.Groups[1].Value)).Select(code => code.Groups[1].Value).ToList();
        // Some change what another part does.
        Assert.All(documented, script => Assert.Null(FaultScript.TryParse(script.StartsWith("end", StringComparison.Ordinal) ? "cut=3;" + script : "status=503;" + script, out _)));
        var names = Case().Matches(await System.IO.File.ReadAllTextAsync(RepoRoot.File("src", "CrossModel", "Simulator", "FaultScript.cs"), ct)).Select(name => name.Groups[1].Value);
        Assert.All(names.Except(["fast", "events", "size", "interval"]), name => Assert.Contains(documented, script => script.Split('=')[0] == name));
    }

    /// <summary>The body without chunk framing, with the status line and Retry-After before it if the example shows heads.</summary>
    private static string Show(string raw, bool head)
    {
        var split = raw.IndexOf("\r\n\r\n", StringComparison.Ordinal);
        var headers = raw[..split].Split("\r\n");
        var body = Chunk().Replace(raw[(split + 4)..], "");
        var shown = headers.Where((line, at) => at == 0 || line.StartsWith("Retry-After", StringComparison.Ordinal));
        return ((head ? string.Join('\n', shown) + "\n\n" : "") + body.ReplaceLineEndings("\n")).Trim();
    }

    private sealed class StoppedClock : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => DateTimeOffset.FromUnixTimeSeconds(1_800_000_000);
    }

    [GeneratedRegex(@"```sh\ncurl (?<head>-i )?(?<url>\S+)[^\n]* -d '(?<body>[^']+)'\n```\n```\w*\n(?<output>.*?)```", RegexOptions.Singleline)]
    private static partial Regex Example();

    [GeneratedRegex(@"^\| (`.*?) \| ", RegexOptions.Multiline)]
    private static partial Regex Row();

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex Code();

    [GeneratedRegex("case \"([a-z-]+)\":")]
    private static partial Regex Case();

    [GeneratedRegex(@"(?<=^|\n)[0-9a-f]+\r\n|\r\n")]
    private static partial Regex Chunk();
}
