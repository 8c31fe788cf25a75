using System.CommandLine;
using CrossModel.Billing;

namespace CrossModel.Cli;

/// <summary><c>crossmodel accounts credit NAME AMOUNT</c></summary>
internal static class CreditCommand
{
    public static Command Build(CommandEnvironment environment)
    {
        var name = Options.AccountName();
        var amount = new Argument<long?>("AMOUNT") { Description = "USD to add", Arity = ArgumentArity.ExactlyOne, CustomParser = Options.ReadAmount };
        var reference = new Option<string?>("--ref") { Description = "Credits once under this id, whoever retries", HelpName = "ID" };
        // An unset variable in a script would otherwise make one reference of all payments.
        reference.Validators.Add(result =>
        {
            if (result.Tokens.Count > 0 && string.IsNullOrWhiteSpace(result.Tokens[0].Value))
                result.AddError("--ref is empty. Give each payment an id of its own, or leave --ref out.");
        });
        var note = new Option<string?>("--note") { Description = "A remark on the ledger entry", HelpName = "TEXT" };
        var credit = new Command("credit", "Add credit (a ledger entry)") { name, amount, reference, note };
        credit.OnDatabase(environment, async (context, parse) =>
        {
            var account = (await AccountCommands.FindAsync(context, parse.GetValue(name)!)).Account;
            var (outcome, balance) = await new Ledger(context.Database).CreditAsync(account.Id, parse.GetValue(amount)!.Value, parse.GetValue(reference), parse.GetValue(note));
            if (outcome == CreditOutcome.ReferenceTaken)
                throw new RefusedException($"The reference \"{parse.GetValue(reference)}\" has credited another account or amount before."
                    + " Nothing was changed; use a reference of its own for each payment.");
            var added = outcome == CreditOutcome.Added;
            context.Answers.Write($"{(added ? $"{Usd.Format(parse.GetValue(amount)!.Value)} USD added" : "Credited under this reference already, nothing added")}; the balance is {Usd.Format(balance)} USD", json =>
            {
                json.WriteString("account", account.Name);
                json.WriteBoolean("added", added);
                json.Usd("balance", balance);
            });
        }, ifUnknown: (context, parse) => parse.GetValue(reference) is { } id
            ? $"Repeat it with the same --ref {Options.Word(id)}: it credits once."
            : $"Look at {context.Next($"accounts show {Options.Word(parse.GetValue(name)!)}")} before you repeat it.");
        return credit;
    }
}
