using System.Diagnostics;
using CrossModel.Tests.Support;

namespace CrossModel.Tests.Architecture;

/// <summary>The README's run command, as the build tools understand it.</summary>
public sealed class RunCommandTests
{
    [Fact]
    public async Task DotnetRun_StartsInTheUsersFolder_NotInTheProjects()
    {
        var folder = Directory.CreateTempSubdirectory("crossmodel-run-").FullName;
        var start = new ProcessStartInfo("dotnet", ["msbuild", RepoRoot.File("src", "CrossModel", "CrossModel.csproj"), "-getProperty:RunWorkingDirectory", "-nologo"])
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
        };
        using var process = Process.Start(start)!;
        var answer = (await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken)).Trim();
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Directory.Delete(folder);

        Assert.Equal(0, process.ExitCode);
        Assert.True(answer.Length == 0 || Path.GetFullPath(answer) == folder, $"dotnet run would start in \"{answer}\"");
    }
}
