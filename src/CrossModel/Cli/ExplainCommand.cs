using System.CommandLine;
using System.Text;
using CrossModel.Accounts;
using CrossModel.Configuration;
using CrossModel.Protocol;

namespace CrossModel.Cli;

/// <param name="HasFile">False: the models of a start without a file are meant.</param>
/// <param name="Key">Whose request it is; null: one that may call every model.</param>
internal sealed record ExplainOrder(GatewayConfig Config, bool HasFile, ReadOnlyMemory<byte> Body, KeyEntry? Key);

/// <summary><c>crossmodel explain REQUEST.json [--key KEY]</c>: JSON on stdout; exit code 1 and the error as the caller would get it when the gateway would refuse.</summary>
internal static class ExplainCommand
{
    public static Command Build(CommandEnvironment environment)
    {
        var file = new Argument<string>("REQUEST.json") { Description = "The body of a chat completion request; - reads it from stdin" };
        var key = new Option<string?>("--key") { Description = "Whose request it is: a key, its id or its prefix (default: one that may call every model)", HelpName = "KEY" };
        var explain = new Command("explain", "Show what would become of a request, without sending it") { file, key };
        explain.SetAction(async (parse, ct) =>
        {
            var config = parse.GetValue(Options.Config);
            var loaded = ConfigLoader.Load(environment.ConfigFile(config), environment.Variables, expandSecrets: false, environment.Rules);
            if (loaded.Config is null) throw new RefusedException(ConfigReport.Text(loaded).TrimEnd());
            var body = await ReadAsync(environment, parse.GetValue(file)!, ct);
            KeyEntry? entry = null;
            if (parse.GetValue(key) is { } which)
            {
                await using var context = await CommandContext.OpenAsync(environment, config, json: true, makes: false, ct);
                entry = (await KeyCommands.FindAsync(context, which)).Entry;
            }
            using var answer = new PooledBuffer();
            var refusal = environment.Explain(new ExplainOrder(loaded.Config, loaded.File is not null, body, entry), answer);
            refusal?.WriteJson(answer);
            await environment.Out.WriteLineAsync(Encoding.UTF8.GetString(answer.Span));
            return refusal is null ? 0 : 1;
        });
        return explain;
    }

    private static async Task<byte[]> ReadAsync(CommandEnvironment environment, string file, CancellationToken ct)
    {
        try
        {
            if (file != "-") return await File.ReadAllBytesAsync(Path.GetFullPath(file, environment.Folder), ct);
            using var body = new MemoryStream();
            await using var stdin = Console.OpenStandardInput();
            await stdin.CopyToAsync(body, ct);
            return body.ToArray();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new RefusedException($"The request file cannot be read: {e.Message}");
        }
    }
}
