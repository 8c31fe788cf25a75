using CrossModel.Accounts;
using CrossModel.Billing;
using CrossModel.Usage;
using CsCheck;

namespace CrossModel.Tests.Billing;

/// <summary>Purses and ledger against a reference of twenty lines: whatever is interleaved, the money is the same.</summary>
public sealed class MoneyModelTests
{
    private enum Act { Hold, Extend, Release, Settle, Waive, Credit, Restart }

    // Three accounts, the middle one postpaid. An amount is in proportion to what an account has, so that the end of the money is met often.
    private static readonly Gen<(Act Act, int Account, int Pick, long Amount)[]> GenActs = Gen.Select(
        Gen.FrequencyConst((8, Act.Hold), (2, Act.Extend), (2, Act.Release), (6, Act.Settle), (1, Act.Waive), (1, Act.Credit), (1, Act.Restart)),
        Gen.Int[0, 2], Gen.Int[0, 1000], Gen.Long[0, 300], (act, account, pick, amount) => (act, account, pick, amount)).Array[1, 60];

    [Fact]
    public void AnyOrderOfActs_IsWhatTheReferenceSays() => GenActs.Sample(acts => RunAsync(acts).GetAwaiter().GetResult(), iter: 60, threads: 1);

    private static async Task RunAsync((Act Act, int Account, int Pick, long Amount)[] acts)
    {
        var address = await Support.TestDatabase.NewAddressAsync(postgres: false);
        var till = await Till.OpenAsync(address);
        long[] limits = [0, 200, 0];
        long[] balances = [1000, 0, 5000];
        var accounts = new Account[3];
        for (var i = 0; i < 3; i++) accounts[i] = await till.NewAccountAsync(balances[i], limits[i]);
        var holds = new List<(int Account, Hold Hold)>();
        long Held(int account) => holds.Where(h => h.Account == account).Sum(h => h.Hold.Amount);
        foreach (var (act, account, pick, amount) in acts)
        {
            // What calls hold is all that a lone node keeps from others: everything else can be had.
            var available = balances[account] + limits[account] - Held(account);
            switch (act)
            {
                case Act.Hold:
                    var answer = await till.Purses.HoldAsync(accounts[account], amount);
                    Assert.Equal(amount <= available, answer.Hold is not null);
                    if (answer.Hold is not null) holds.Add((account, answer.Hold));
                    else Assert.Equal((Held(account), available), (answer.Held, answer.Available));
                    break;
                case Act.Credit:
                    await till.Ledger.CreditAsync(accounts[account].Id, amount + 1, null, null);
                    balances[account] += amount + 1;
                    break;
                case Act.Restart:
                    // As a kill would: what was in flight is gone and costs nothing.
                    await till.AbandonAsync();
                    till = await Till.OpenAsync(address);
                    holds.Clear();
                    break;
                case var _ when holds.Count == 0:
                    break;
                default:
                    var (owner, hold) = holds[pick % holds.Count];
                    if (act == Act.Extend && hold.Amount > 0)
                    {
                        var wanted = hold.Amount + amount;
                        var can = amount <= balances[owner] + limits[owner] - Held(owner);
                        Assert.Equal(can ? Extension.Covered : Extension.NoMoney, await hold.ExtendToAsync(wanted));
                        break;
                    }
                    holds.RemoveAt(pick % holds.Count);
                    if (act is Act.Extend or Act.Release)
                    {
                        hold.Release();
                        break;
                    }
                    var price = act == Act.Waive ? 0 : amount;
                    var record = Till.Record(accounts[owner].Id, price, act == Act.Waive ? Basis.Waived : Basis.Reported);
                    var cost = Math.Min(price, balances[owner] + limits[owner] - Held(owner));
                    balances[owner] -= cost;
                    Assert.Equal(new Settled(true, cost, price - cost, balances[owner]), await till.Settlements.SettleAsync(record, hold));
                    break;
            }
        }
        for (var i = 0; i < 3; i++) Assert.Equal(balances[i], await till.BalanceAsync(accounts[i]));
        await till.AssertSoundAsync();
        await till.DisposeAsync();
    }
}
