using System.CommandLine;
using CrossModel.Accounts;
using CrossModel.Billing;
using CrossModel.Protocol;
using CrossModel.Routing;

namespace CrossModel.Cli;

/// <summary><c>crossmodel ledger rerate --model a/b --since TIME [--until TIME] [--account NAME] [--apply] [--note TEXT]</c>: a preview, unless it is told to apply.</summary>
internal static class RerateCommand
{
    public static Command Build(CommandEnvironment environment)
    {
        var model = new Option<string>("--model") { Description = "The public id whose price was wrong; its right price stands in the configuration", HelpName = "ID", Required = true };
        var since = new Option<Moment?>("--since") { Description = "From this day, moment or time back from now", HelpName = "TIME", Required = true, CustomParser = Options.ReadMoment };
        var until = new Option<Moment?>("--until") { Description = "To before this day, moment or time back from now (default: now)", HelpName = "TIME", CustomParser = Options.ReadMoment };
        var account = new Option<string?>("--account") { Description = "One account alone (default: all)", HelpName = "NAME" };
        var apply = new Option<bool>("--apply") { Description = "Write the corrections; without it nothing is written" };
        var note = new Option<string?>("--note") { Description = "Stands on each correction", HelpName = "TEXT" };
        var rerate = new Command("rerate", "Compute a period anew after a wrong price: a preview, or with --apply one correction a request")
        {
            model, since, until, account, apply, note,
        };
        rerate.OnDatabase(environment, async (context, parse) =>
        {
            var id = parse.GetValue(model)!;
            if (context.Config.Models.GetValueOrDefault(id)?.Price is not { } price)
                throw new RefusedException($"The configuration states no price for the model \"{id}\". Put the right one under models[\"{id}\"].price first.");
            var now = context.Database.Now;
            var of = parse.GetValue(account) is { } name ? (await AccountCommands.FindAsync(context, name)).Account.Id : null;
            var order = new RerateOrder(id, parse.GetValue(since)!.On(now), parse.GetValue(until)?.On(now) ?? now + 1, Prices.From(price), of);
            if (order.Since >= order.Until) throw new RefusedException("--since is not before --until: there is no such period.");

            var rerating = new Rerating(context.Database);
            var rows = parse.GetValue(apply) ? await rerating.ApplyAsync(order, parse.GetValue(note) ?? $"{id} computed anew") : await rerating.PreviewAsync(order);
            var unpaid = rows.Count(row => row.Amount == 0);
            rows = [.. rows.Where(row => row.Amount != 0)];
            var names = (await new AccountStore(context.Database).ListAsync()).ToDictionary(a => a.Account.Id, a => a.Account.Name);
            context.Answers.WriteList(rows, ["ACCOUNT", "REQUEST", "CHARGED", "RIGHT", "CORRECTION"],
                row => [names.GetValueOrDefault(row.AccountId, row.AccountId), row.RequestId, Usd.Format(row.Charged), Usd.Format(row.RightPrice), Usd.Format(row.Amount)],
                (json, row) =>
                {
                    json.WriteString("account", names.GetValueOrDefault(row.AccountId, row.AccountId));
                    json.WriteString("request_id", row.RequestId);
                    json.Usd("charged", row.Charged);
                    json.Usd("right", row.RightPrice);
                    json.Usd("correction", row.Amount);
                });
            if (context.Answers.Json) return;
            await environment.Error.WriteLineAsync(
                $"{Counted.Of(rows.Count, "correction")}, {Usd.Format(rows.Sum(row => row.Amount))} USD"
                + (parse.GetValue(apply) ? " written" : "; nothing was written: --apply writes them"));
            if (unpaid > 0) await environment.Error.WriteLineAsync($"{unpaid} more {(unpaid == 1 ? "is" : "are")} owed by accounts that have nothing free to pay them with.");
        });
        return rerate;
    }
}
