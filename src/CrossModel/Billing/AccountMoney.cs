using CrossModel.Accounts;
using CrossModel.Storage;

namespace CrossModel.Billing;

/// <summary>Reads an account's money.</summary>
internal static class AccountMoney
{
    /// <param name="now">Unix milliseconds.</param>
    /// <param name="node">The node whose holds are known; empty: none.</param>
    /// <param name="heldHere">Nano-dollars that calls hold on that node.</param>
    public static async Task<Standing?> ReadAsync(Session session, long now, string accountId, string node = "", long heldHere = 0) =>
        await session.FirstAsync(
            "SELECT a.balance, a.credit_limit, a.leased, a.spent_on, a.spent_day, a.spent_month, a.spent_total, "
            + "COALESCE((SELECT l.amount FROM lease l WHERE l.node = @node AND l.account_id = a.id), 0) FROM account a WHERE a.id = @id",
            row => (Standing?)new Standing(row.GetInt64(0), row.GetInt64(1), heldHere + row.GetInt64(2) - row.GetInt64(7),
                new AccountSpend(row.GetInt64(3), row.GetInt64(4), row.GetInt64(5), row.GetInt64(6)).At(SpendStore.DayOf(now))),
            ("@node", node), ("@id", accountId));
}
