using System.CommandLine;
using CrossModel.Accounts;
using CrossModel.Billing;
using CrossModel.Configuration;
using CrossModel.WebConsole;

namespace CrossModel.Cli;

/// <summary><c>crossmodel console [--account NAME] [--valid 15m]</c>: prints a link that signs in at the console, alone.</summary>
internal static class ConsoleCommand
{
    private static readonly TimeSpan Usual = TimeSpan.FromMinutes(15);

    public static Command Build(CommandEnvironment environment)
    {
        var account = new Option<string?>("--account") { Description = "Of this account alone, for its holder (default: the operator's, all accounts)", HelpName = "NAME" };
        var valid = new Option<long?>("--valid") { Description = "How long the link can be used, once (default: 15m)", HelpName = "15m", CustomParser = Options.ReadLasting };
        var console = new Command("console", "Print a link that signs in at the web console, once") { account, valid };
        console.OnDatabase(environment, async (context, parse) =>
        {
            var of = parse.GetValue(account) is { } name ? (await AccountCommands.FindAsync(context, name)).Account : null;
            var lasts = parse.GetValue(valid) is { } ms ? TimeSpan.FromMilliseconds(ms) : Usual;
            var link = ConsoleEndpoint.LinkAt(ListenAddresses.Reachable(ListenAddresses.Split(context.Config.Urls)[0]),
                await new SignIns(context.Database).NewLinkAsync(of?.Id, lasts));
            context.Answers.Write(link, json =>
            {
                json.WriteString("link", link);
                json.WriteString("account", of?.Name);
                json.WriteNumber("expires", (context.Database.Now + (long)lasts.TotalMilliseconds) / 1000);
            });
        });
        return console;
    }
}
