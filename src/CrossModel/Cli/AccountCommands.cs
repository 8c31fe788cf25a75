using System.CommandLine;
using CrossModel.Accounts;
using CrossModel.Billing;
using CrossModel.Configuration;
using CrossModel.Protocol;

namespace CrossModel.Cli;

/// <summary><c>crossmodel accounts …</c></summary>
internal static class AccountCommands
{
    public static Command Build(CommandEnvironment environment) => new("accounts", "Who pays: accounts, their balance and their terms")
    {
        Create(environment), CreditCommand.Build(environment), Set(environment), Balance(environment), Show(environment), List(environment),
        Enable(environment, "disable", false), Enable(environment, "enable", true),
    };

    private static Command Create(CommandEnvironment environment)
    {
        var name = new Argument<string>("NAME") { Description = "A new name", CustomParser = Options.ReadName! };
        var balance = new Option<long?>("--balance") { Description = "A prepaid balance in USD", HelpName = "USD", CustomParser = Options.ReadAmountOrZero };
        var create = new Command("create", "Make an account") { name, balance };
        create.OnDatabase(environment, async (context, parse) =>
        {
            var (called, credit) = (parse.GetValue(name)!, parse.GetValue(balance) ?? 0);
            var made = await context.Database.WriteAsync(async session =>
            {
                var account = await AccountStore.CreateAsync(session, called, context.Database.Time);
                if (account is not null && credit > 0) await new Ledger(context.Database).CreditAsync(session, account.Id, credit, reference: null, "starting balance");
                return account;
            });
            if (made is null)
                throw new RefusedException($"There is an account \"{called}\" already."
                    + $" {context.Next("accounts credit")} adds to its balance, {context.Next("accounts set")} changes its terms.");
            context.Answers.Write($"Account \"{called}\" made, balance {Usd.Format(credit)} USD. A key for it: {context.Next($"keys create --account {Options.Word(called)} --name LABEL")}", json =>
            {
                json.WriteString("id", made.Id);
                json.WriteString("name", called);
                json.Usd("balance", credit);
            });
        }, makes: true);
        return create;
    }

    private static Command Set(CommandEnvironment environment)
    {
        var name = Options.AccountName();
        var postpaid = new Option<Given<long?>?>("--postpaid") { Description = "USD that the balance may go below zero; none: prepaid", HelpName = "USD", CustomParser = Options.ReadAmountOrNone };
        var terms = new TermsOptions();
        var set = new Command("set", "Change an account's own terms and limits; none takes one away") { name, postpaid };
        terms.AddTo(set);
        set.OnDatabase(environment, async (context, parse) =>
        {
            var found = await FindAsync(context, parse.GetValue(name)!);
            await new AccountStore(context.Database).ChangeAsync(found.Account.Name, account => account with
            {
                CreditLimit = parse.After(postpaid, account.CreditLimit) ?? 0,
                Terms = terms.Apply(parse, account.Terms),
            });
            await WriteAsync(context, found.Account.Name);
        });
        return set;
    }

    private static Command Balance(CommandEnvironment environment)
    {
        var name = Options.AccountName();
        var balance = new Command("balance", "Print the balance in USD, alone") { name };
        balance.OnDatabase(environment, async (context, parse) =>
        {
            var found = await FindAsync(context, parse.GetValue(name)!);
            context.Answers.Write(Usd.Format(found.Balance), json =>
            {
                json.WriteString("account", found.Account.Name);
                json.Usd("balance", found.Balance);
            });
        });
        return balance;
    }

    private static Command Show(CommandEnvironment environment)
    {
        var name = Options.AccountName();
        var show = new Command("show", "Name, status, balance, held, available, spend, limits") { name };
        show.OnDatabase(environment, (context, parse) => WriteAsync(context, parse.GetValue(name)!));
        return show;
    }

    private static Command List(CommandEnvironment environment)
    {
        var list = new Command("list", "All accounts");
        list.OnDatabase(environment, async (context, _) => context.Answers.WriteList(await new AccountStore(context.Database).ListAsync(),
            ["NAME", "STATUS", "BALANCE", "HELD", "AVAILABLE", "CREATED"],
            row => [row.Account.Name, row.Account.Status, Usd.Format(row.Balance), Usd.Format(row.Leased), Usd.Format(row.Available), DisplayText.Time(row.Created)],
            Members));
        return list;
    }

    private static Command Enable(CommandEnvironment environment, string word, bool enabled)
    {
        var name = Options.AccountName();
        var command = new Command(word, enabled ? "Let the account's keys in again" : "Refuse all keys of the account") { name };
        command.OnDatabase(environment, async (context, parse) =>
        {
            var found = await FindAsync(context, parse.GetValue(name)!);
            await new AccountStore(context.Database).ChangeAsync(found.Account.Name, account => account with { Enabled = enabled });
            await WriteAsync(context, found.Account.Name);
        });
        return command;
    }

    /// <summary>The account of that name, or a refusal that helps on.</summary>
    internal static async Task<AccountState> FindAsync(CommandContext context, string name)
    {
        var accounts = new AccountStore(context.Database);
        if (await accounts.FindAsync(name) is { } found) return found;
        var hint = NearestName.Question(name, (await accounts.ListAsync()).Select(account => account.Account.Name));
        throw new RefusedException($"There is no account \"{name}\"{(hint is null ? "." : "; " + hint)}"
            + $" {context.Next("accounts list")} shows all, {context.Next($"accounts create {Options.Word(name)}")} makes it.");
    }

    private static async Task WriteAsync(CommandContext context, string name)
    {
        var state = await FindAsync(context, name);
        var spent = (await context.Database.ReadAsync(session => AccountMoney.ReadAsync(session, context.Database.Now, state.Account.Id)) ?? default).Spent;
        var text = $"""
            account    {state.Account.Name} ({state.Account.Status}{(state.Account.CreditLimit > 0 ? $", postpaid up to {Usd.Format(state.Account.CreditLimit)} USD" : "")})
            balance    {Usd.Format(state.Balance)} USD
            held       {Usd.Format(state.Leased)} USD
            available  {Usd.Format(state.Available)} USD
            spend      {Usd.Format(spent.Day)} USD today, {Usd.Format(spent.Month)} USD this month, {Usd.Format(spent.Total)} USD in all
            limits     {DisplayText.Limits(state.Account.Terms)}
            """;
        context.Answers.Write(text, json =>
        {
            Members(json, state);
            json.Spend(spent);
        });
    }

    private static void Members(System.Text.Json.Utf8JsonWriter json, AccountState state)
    {
        json.WriteString("id", state.Account.Id);
        json.WriteString("name", state.Account.Name);
        json.WriteString("status", state.Account.Status);
        json.Usd("balance", state.Balance);
        json.Usd("held", state.Leased);
        json.Usd("available", state.Available);
        json.Usd("credit_limit", state.Account.CreditLimit);
        json.Limits(state.Account.Terms);
        json.WriteNumber("created", state.Created / 1000);
    }
}
