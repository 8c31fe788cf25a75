using System.CommandLine;
using System.Globalization;
using CrossModel.Billing;

namespace CrossModel.Cli;

/// <summary><c>crossmodel margin [--since 30d]</c></summary>
internal static class MarginCommand
{
    private const long ThirtyDays = 30L * 86_400_000;

    public static Command Build(CommandEnvironment environment)
    {
        var since = new Option<long?>("--since") { Description = "How far back from now (default: 30d)", HelpName = "30d", CustomParser = Options.ReadDuration };
        var margin = new Command("margin", "Income, cost and margin by model, route, account and day") { since };
        margin.OnDatabase(environment, async (context, parse) =>
        {
            var now = context.Database.Now;
            var rows = await MarginReport.ReadAsync(context.Database, now - (parse.GetValue(since) ?? ThirtyDays), now + 1);
            context.Answers.WriteList(rows, ["DAY", "MODEL", "ROUTE", "ACCOUNT", "REQUESTS", "INCOME", "COST", "MARGIN", "UNCOVERED", "COST UNKNOWN"],
                row => [row.DayText, row.Model, row.Route, row.Account, row.Requests.ToString(CultureInfo.InvariantCulture), Usd.Format(row.Income), Usd.Format(row.Cost),
                    Usd.Format(row.Margin), Usd.Format(row.Uncovered), row.UnknownCost.ToString(CultureInfo.InvariantCulture)],
                (json, row) =>
                {
                    json.WriteString("day", row.DayText);
                    json.WriteString("model", row.Model);
                    json.WriteString("route", row.Route);
                    json.WriteString("account", row.Account);
                    json.WriteNumber("requests", row.Requests);
                    json.Usd("income", row.Income);
                    json.Usd("cost", row.Cost);
                    json.Usd("margin", row.Margin);
                    json.Usd("uncovered", row.Uncovered);
                    json.WriteNumber("unknown_cost", row.UnknownCost);
                });
        });
        return margin;
    }
}
