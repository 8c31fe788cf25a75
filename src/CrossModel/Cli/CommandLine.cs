using System.CommandLine;
using System.CommandLine.Invocation;
using CrossModel.Storage;

namespace CrossModel.Cli;

/// <summary>
/// From the words of a command line to one command. Exit codes: 0 done; 1 refused, not found, or a fault found; 2 wrong usage, nothing was changed.
/// </summary>
internal static class CommandLine
{
    private const int Refused = 1;
    private const int WrongUsage = 2;

    public static async Task<int> RunAsync(string[] words, CommandEnvironment environment)
    {
        var root = new RootCommand("CrossModel: one OpenAI-compatible endpoint in front of every model provider.") { Options.Config, Options.Json };
        ServeCommand.AddTo(root, environment);
        root.Subcommands.Add(AccountCommands.Build(environment));
        root.Subcommands.Add(KeyCommands.Build(environment));
        root.Subcommands.Add(CheckCommand.Build(environment));
        root.Subcommands.Add(ExplainCommand.Build(environment));
        root.Subcommands.Add(RequestCommands.Build(environment));
        root.Subcommands.Add(LedgerCommands.Build(environment));
        root.Subcommands.Add(MarginCommand.Build(environment));
        root.Subcommands.Add(BackupCommand.Build(environment));
        root.Subcommands.Add(SimulateCommand.Build(environment));
        // A name may begin with @: it is never a file of further words.
        var parse = root.Parse(words, new ParserConfiguration { ResponseFileTokenReplacer = null, EnablePosixBundling = false });
        if (parse.Action is ParseErrorAction || (parse.Errors.Count > 0 && parse.Action is not SynchronousCommandLineAction { Terminating: true }))
        {
            foreach (var error in parse.Errors) await environment.Error.WriteLineAsync(error.Message);
            await environment.Error.WriteLineAsync($"See: {PathOf(parse.CommandResult)} --help");
            return WrongUsage;
        }
        try
        {
            return await parse.InvokeAsync(new InvocationConfiguration
            {
                Output = environment.Out,
                Error = environment.Error,
                EnableDefaultExceptionHandler = false,
                // The commands that run for long listen to signals themselves: a gateway must have the time to finish its calls.
                ProcessTerminationTimeout = null,
            });
        }
        catch (Exception e) when (e is RefusedException or DatabaseException)
        {
            await environment.Error.WriteLineAsync(e.Message);
            return Refused;
        }
    }

    /// <summary>Gives the command a body that works on the database.</summary>
    public static void OnDatabase(this Command command, CommandEnvironment environment, Func<CommandContext, ParseResult, Task> body) =>
        command.OnDatabase(environment, async (context, parse) =>
        {
            await body(context, parse);
            return 0;
        });

    /// <summary>As above; the body answers the exit code.</summary>
    public static void OnDatabase(this Command command, CommandEnvironment environment, Func<CommandContext, ParseResult, Task<int>> body) =>
        command.SetAction(async (parse, ct) =>
        {
            await using var context = await CommandContext.OpenAsync(environment, parse.GetValue(Options.Config), parse.GetValue(Options.Json), ct);
            try
            {
                return await body(context, parse);
            }
            catch (OverflowException)
            {
                throw new RefusedException("No account can hold more than about 9.2 billion USD: nothing was changed.");
            }
            catch (Exception e) when (context.Database.IsAway(e))
            {
                throw new RefusedException($"The database does not answer or is busy: nothing was changed. Try again. ({e.GetType().Name})");
            }
        });

    private static string PathOf(System.CommandLine.Parsing.CommandResult command) =>
        command.Parent is System.CommandLine.Parsing.CommandResult parent ? $"{PathOf(parent)} {command.Command.Name}" : "crossmodel";
}
