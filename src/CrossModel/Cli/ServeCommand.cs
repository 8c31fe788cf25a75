using System.CommandLine;

namespace CrossModel.Cli;

/// <summary><c>crossmodel serve [--urls …]</c>; without any command too.</summary>
internal static class ServeCommand
{
    public static void AddTo(RootCommand root, CommandEnvironment environment)
    {
        var serve = new Command("serve", "Run the gateway (the default command)");
        foreach (var command in new[] { root, serve })
        {
            var urls = Options.Urls("Addresses to listen on, separated by semicolons (default: the configuration's, http://127.0.0.1:8080)");
            command.Options.Add(urls);
            command.SetAction((parse, _) => environment.ServeAsync(new ServeOrder(environment.ConfigFile(parse.GetValue(Options.Config)), parse.GetValue(urls))));
        }
        root.Subcommands.Add(serve);
    }
}
