using System.CommandLine;
using System.Globalization;
using CrossModel.Billing;
using CrossModel.Protocol;
using CrossModel.Usage;

namespace CrossModel.Cli;

/// <summary><c>crossmodel requests …</c></summary>
internal static class RequestCommands
{
    public static Command Build(CommandEnvironment environment) => new("requests", "What happened: one row a request")
    {
        List(environment), Show(environment), Prune(environment),
    };

    private static Command List(CommandEnvironment environment)
    {
        var account = new Option<string>("--account") { Description = "Whose requests", HelpName = "NAME", Required = true };
        var since = new Option<long?>("--since") { Description = "Only those of this time back from now", HelpName = "1h", CustomParser = Options.ReadDuration };
        var limit = new Option<long?>("--limit") { Description = "At most so many, the last that ended (default: all)", HelpName = "N", CustomParser = Options.ReadCount };
        var list = new Command("list", "An account's requests, the last that ended first") { account, since, limit };
        list.OnDatabase(environment, async (context, parse) =>
        {
            var of = (await AccountCommands.FindAsync(context, parse.GetValue(account)!)).Account.Id;
            var rows = await new UsageQueries(context.Database).ListAsync(of, context.Database.Now - parse.GetValue(since), parse.GetValue(limit));
            context.Answers.WriteList(rows, ["REQUEST", "TIME", "MODEL", "STATUS", "PROMPT", "CACHED", "COMPLETION", "COST", "BASIS", "MS"],
                row => [row.Record.Id, DisplayText.Time(row.Record.Created), row.Record.Model, Number(row.Record.Status), Number(row.Record.Usage.InputTokens),
                    Number(row.Record.Usage.CachedInputTokens), Number(row.Record.Usage.OutputTokens), Usd.Format(row.Cost), RecordText.Name(row.Record.Basis),
                    Number(row.Record.DurationMs)],
                Receipt.WriteRow);
        });
        return list;
    }

    private static Command Show(CommandEnvironment environment)
    {
        var id = new Argument<string>("REQUEST-ID") { Description = "The x-request-id (req_…)" };
        var show = new Command("show", "One request: attempts, tokens, price, arithmetic") { id };
        show.OnDatabase(environment, async (context, parse) =>
        {
            var request = await new UsageQueries(context.Database).FindAsync(parse.GetValue(id)!)
                ?? throw new RefusedException("There is no such request on the books: it was refused, never arrived, or its record was pruned."
                    + $" {context.Next("requests list --account NAME")} shows an account's.");
            context.Answers.Write(Text(request), json => Receipt.WriteWhole(json, request));
        });
        return show;
    }

    private static Command Prune(CommandEnvironment environment)
    {
        var before = new Option<long?>("--before") { Description = "Older than this", HelpName = "90d", Required = true, CustomParser = Options.ReadDuration };
        var prune = new Command("prune", "Take old request records out; ledger entries stay and still verify") { before };
        prune.OnDatabase(environment, async (context, parse) =>
        {
            var pruned = await new Pruning(context.Database).RunAsync(context.Database.Now - parse.GetValue(before)!.Value);
            context.Answers.Write(Counted.Of(pruned, "request record") + " taken out", json => json.WriteNumber("pruned", pruned));
        });
        return prune;
    }

    private static string Number(long count) => count.ToString(CultureInfo.InvariantCulture);

    private static string Part(long tokens, string what) => tokens == 0 ? "" : $", {tokens} {what}";

    private static string Text(StoredRequest request)
    {
        var record = request.Record;
        var usage = record.Usage;
        var lines = new List<string>
        {
            $"request    {record.Id}, {DisplayText.Time(record.Created)}, {record.DurationMs} ms{(record.Stream ? ", streamed" : "")}",
            $"model      {record.Model}{(record.ModelAsked == record.Model ? "" : $" (asked: {record.ModelAsked})")}",
            $"status     {record.Status}{(record.ErrorCode is null ? "" : " " + record.ErrorCode)}, {RecordText.Name(record.Basis)}",
            $"tokens     {usage.InputTokens} prompt ({usage.CachedInputTokens} cached, {usage.CacheWriteTokens} written{Part(usage.CacheWriteHourTokens, "of them for an hour")}{Part(usage.AudioInputTokens, "audio")}), "
                + $"{usage.OutputTokens} completion ({usage.ReasoningTokens} reasoning{Part(usage.AudioOutputTokens, "audio")})",
            $"cost       {Usd.Format(request.Cost)} USD, price {record.PriceVersion}",
            $"           {Receipt.Words(request)}",
        };
        if (record.Ignored.Count > 0) lines.Add($"ignored    {string.Join(", ", record.Ignored)}");
        lines.AddRange(record.Attempts.Select(a => $"attempt    {a.Upstream}/{a.UpstreamModel}: {a.Outcome}{(a.Status is null ? "" : $" {a.Status}")}, {a.DurationMs} ms"));
        return string.Join('\n', lines);
    }
}
