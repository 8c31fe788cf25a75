using System.CommandLine;
using System.CommandLine.Invocation;
using System.Data.Common;
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
        root.Subcommands.Add(ConsoleCommand.Build(environment));
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
            Say(environment, string.Join('\n', parse.Errors.Select(error => error.Message).Append($"See: {PathOf(parse.CommandResult)} --help")));
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
            Say(environment, e.Message);
            return Refused;
        }
        catch (Exception e) when (IsOfOutput(e))
        {
            // A full disk behind stdout, or no stdout at all: the work is done by then, the answer alone is missing.
            Say(environment, $"The answer could not be written: {(e.InnerException ?? e).Message.TrimEnd('.')}. What the command does may be done: look before you repeat it.");
            return Refused;
        }
    }

    private static void Say(CommandEnvironment environment, string text)
    {
        try
        {
            environment.Error.WriteLine(text);
        }
        catch (Exception e) when (IsOfOutput(e))
        {
            // Nobody can be told; the exit code still says it.
        }
    }

    /// <summary>The second is what .NET makes of a stream that is closed (<c>&gt;&amp;-</c>).</summary>
    private static bool IsOfOutput(Exception e) => e is IOException or UnauthorizedAccessException { InnerException: IOException };

    /// <summary>Gives the command a body that works on the database.</summary>
    /// <param name="makes">A SQLite file that is not there is made; otherwise it is refused.</param>
    /// <param name="ifUnknown">What to do when nobody can say whether it was done; null: look first.</param>
    public static void OnDatabase(
        this Command command, CommandEnvironment environment, Func<CommandContext, ParseResult, Task> body, bool makes = false, Func<CommandContext, ParseResult, string>? ifUnknown = null) =>
        command.OnDatabase(environment, async (context, parse) =>
        {
            await body(context, parse);
            return 0;
        }, makes, ifUnknown);

    /// <summary>Gives the command a body that works on the database and answers the exit code.</summary>
    public static void OnDatabase(
        this Command command, CommandEnvironment environment, Func<CommandContext, ParseResult, Task<int>> body, bool makes = false, Func<CommandContext, ParseResult, string>? ifUnknown = null) =>
        command.SetAction(async (parse, ct) =>
        {
            await using var context = await CommandContext.OpenAsync(environment, parse.GetValue(Options.Config), parse.GetValue(Options.Json), makes, ct);
            try
            {
                return await body(context, parse);
            }
            catch (OverflowException)
            {
                throw new RefusedException("No account can hold more than about 9.2 billion USD: nothing was changed.");
            }
            // A bare IOException is the answer's: it went nowhere, and the database has nothing to do with it.
            catch (Exception e) when (e is not IOException && (context.Database.IsAway(e) || e is DbException))
            {
                // A connection that is cut at the commit leaves open whether it happened: "try again" would do it twice.
                var isAway = context.Database.IsAway(e);
                var outcome = !context.HasChangedNothing ? $"It is not known whether it was done. {ifUnknown?.Invoke(context, parse) ?? "Look before you repeat it."}"
                    : isAway ? "Nothing was changed: try again." : "Nothing was changed.";
                throw new RefusedException($"{context.Database.Name} {(isAway ? "does not answer, is busy or cannot be written" : "cannot be used")}"
                    + $" ({e.Message.TrimEnd('.')}). {outcome}");
            }
        });

    private static string PathOf(System.CommandLine.Parsing.CommandResult command) =>
        command.Parent is System.CommandLine.Parsing.CommandResult parent ? $"{PathOf(parent)} {command.Command.Name}" : "crossmodel";
}
