using System.CommandLine;
using CrossModel.Configuration;

namespace CrossModel.Cli;

/// <summary><c>crossmodel check</c>: every fault of the configuration with its path; exit code 1 if there is one.</summary>
internal static class CheckCommand
{
    public static Command Build(CommandEnvironment environment)
    {
        var check = new Command("check", "Validate the configuration and name each fault with its path");
        check.SetAction(async (parse, _) =>
        {
            var loaded = ConfigLoader.Load(environment.ConfigFile(parse.GetValue(Options.Config)), environment.Variables, expandSecrets: true, environment.Rules);
            await environment.Out.WriteAsync(parse.GetValue(Options.Json) ? ConfigReport.Json(loaded) + "\n" : ConfigReport.Text(loaded));
            return ConfigReport.HasErrors(loaded) ? 1 : 0;
        });
        return check;
    }
}
