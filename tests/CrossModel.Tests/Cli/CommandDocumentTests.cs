using System.Text.RegularExpressions;
using CrossModel.Tests.Support;

namespace CrossModel.Tests.Cli;

/// <summary>docs/commands.md names every command and every option that the program has.</summary>
public sealed partial class CommandDocumentTests
{
    [Fact]
    public async Task Document_NamesEveryCommandAndOption()
    {
        var document = await File.ReadAllTextAsync(Path.Combine(RepoRoot.Folder, "docs", "commands.md"), TestContext.Current.CancellationToken);
        var (commands, options) = (new List<string>(), new HashSet<string>());
        await WalkAsync([], commands, options);

        Assert.True(commands.Count > 25 && options.Count > 20, $"{commands.Count} commands and {options.Count} options were found: the help has another form");
        Assert.All(commands, command => Assert.Contains($"crossmodel {command}", document, StringComparison.Ordinal));
        Assert.All(options, option => Assert.Contains(option, document, StringComparison.Ordinal));
    }

    private static async Task WalkAsync(string[] path, List<string> commands, HashSet<string> options)
    {
        var help = await new CommandRun().GoodAsync([.. path, "--help"]);
        foreach (Match option in Option().Matches(help)) options.Add(option.Groups[1].Value);
        var list = help.IndexOf("Commands:", StringComparison.Ordinal);
        if (list < 0)
        {
            commands.Add(string.Join(' ', path));
            return;
        }
        foreach (Match command in Command().Matches(help[list..])) await WalkAsync([.. path, command.Groups[1].Value], commands, options);
    }

    [GeneratedRegex(@"^ +(?:-\S+, )*(--[a-z-]+)", RegexOptions.Multiline)]
    private static partial Regex Option();

    [GeneratedRegex("^  ([a-z]+)(?: |$)", RegexOptions.Multiline)]
    private static partial Regex Command();
}
