using System.Diagnostics;

namespace CrossModel.Load;

/// <summary>The gateway as it is installed: published, which compiles it ahead. A plain build takes half as long again to start.</summary>
internal static class Published
{
    /// <summary>Publishes the project beside this one; answers crossmodel.dll. Null: it could not, and has said why.</summary>
    public static async Task<string?> MakeAsync(string folder)
    {
        if (Project(AppContext.BaseDirectory) is not { } project)
        {
            Console.WriteLine("src/CrossModel is not above this program: name the gateway with --program.");
            return null;
        }
        Console.WriteLine("publishing the gateway …");
        var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true };
        foreach (var argument in (string[])["publish", project, "-c", "Release", "-o", folder, "-nologo", "-v", "quiet"]) start.ArgumentList.Add(argument);
        using var process = Process.Start(start)!;
        var said = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        if (process.ExitCode != 0)
        {
            Console.WriteLine($"{said}\nThe gateway could not be published: mend that, or name a built one with --program.");
            return null;
        }
        return Path.Combine(folder, "crossmodel.dll");
    }

    private static string? Project(string? from)
    {
        for (; from is not null; from = Path.GetDirectoryName(from))
            if (Path.Combine(from, "src", "CrossModel") is var project && Directory.Exists(project)) return project;
        return null;
    }
}
