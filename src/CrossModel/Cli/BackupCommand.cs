using System.CommandLine;

namespace CrossModel.Cli;

/// <summary><c>crossmodel backup FILE</c>: a consistent copy, also of a running server's database.</summary>
internal static class BackupCommand
{
    public static Command Build(CommandEnvironment environment)
    {
        var file = new Argument<string>("FILE") { Description = "The copy; must not exist yet" };
        var backup = new Command("backup", "Copy the SQLite database, also while a server runs on it") { file };
        backup.OnDatabase(environment, async (context, parse) =>
        {
            var copy = Path.GetFullPath(parse.GetValue(file)!, environment.Folder);
            await context.Database.BackupAsync(copy, CancellationToken.None);
            context.Answers.Write($"Copied to {copy}", json => json.WriteString("file", copy));
        });
        return backup;
    }
}
