using System.CommandLine;
using CrossModel.Billing;
using CrossModel.Protocol;

namespace CrossModel.Cli;

/// <summary><c>crossmodel ledger …</c></summary>
internal static class LedgerCommands
{
    public static Command Build(CommandEnvironment environment) => new("ledger", "The books") { Verify(environment), RerateCommand.Build(environment) };

    /// <summary>Exit code 1 if anything does not agree.</summary>
    private static Command Verify(CommandEnvironment environment)
    {
        var verify = new Command("verify", "Prove that entries, balances and request records agree, also beside a running server");
        verify.OnDatabase(environment, async (context, _) =>
        {
            var report = await new LedgerVerifier(context.Database).RunAsync();
            var text = report.Faults.Select(fault => $"{fault.Account}{(fault.Seq == 0 ? "" : $", entry {fault.Seq}")}: {fault.What}")
                .Concat(report.Heads.Select(head => $"head of {head.Account}: entry {head.Seq}, balance {Usd.Format(head.Balance)} USD, {(head.Seq == 0 ? "no entries" : head.Hash)}"))
                .Append($"{Counted.Of(report.Entries, "entry", "entries")}, {Counted.Of(report.Records, "request record")}: "
                    + (report.Faults.Count == 0 ? "all agree" : Counted.Of(report.Faults.Count, "fault")));
            context.Answers.Write(string.Join('\n', text), json =>
            {
                json.WriteBoolean("ok", report.Faults.Count == 0);
                json.WriteNumber("entries", report.Entries);
                json.WriteNumber("records", report.Records);
                json.Objects("faults", report.Faults, (json, fault) =>
                {
                    json.WriteString("account", fault.Account);
                    json.WriteNumber("entry", fault.Seq);
                    json.WriteString("what", fault.What);
                });
                json.Objects("heads", report.Heads, (json, head) =>
                {
                    json.WriteString("account", head.Account);
                    json.WriteNumber("entry", head.Seq);
                    json.WriteString("hash", head.Hash);
                    json.Usd("balance", head.Balance);
                });
            });
            return report.Faults.Count == 0 ? 0 : 1;
        });
        return verify;
    }
}
