namespace CrossModel.Accounts;

/// <summary>Nano-dollars charged, less refunds, in the current UTC day, the current UTC month and in all.</summary>
internal readonly record struct Spent(long Day, long Month, long Total)
{
    public static Spent operator +(Spent a, Spent b) => new(a.Day + b.Day, a.Month + b.Month, a.Total + b.Total);
}

/// <summary>The same as an account's row has it: on the day of its last charge, in that day's month and in all.</summary>
/// <param name="On">That day, in days since 1970-01-01.</param>
internal readonly record struct AccountSpend(long On, long Day, long Month, long Total)
{
    /// <summary>As it stands on a day: what was spent on an earlier one is not this one's. A clock that went back counts for the newest day seen.</summary>
    public Spent At(long day) => On >= day ? new(Day, Month, Total) : new(0, On >= SpendStore.MonthOf(day) ? Month : 0, Total);

    /// <summary>With one more charge (or, negative, refund).</summary>
    public AccountSpend With(long amount, long day)
    {
        var (today, month, total) = At(day);
        return new AccountSpend(Math.Max(day, On), today + amount, month + amount, total + amount);
    }
}
