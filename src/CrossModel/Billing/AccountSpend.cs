namespace CrossModel.Billing;

/// <summary>What an account has spent, charges less refunds, in nano-dollars: on one UTC day, in that day's month and in all.</summary>
/// <param name="On">The day of its last charge, in days since 1970.</param>
internal readonly record struct AccountSpend(long On, long Day, long Month, long Total)
{
    /// <summary>With one more charge (or, negative, refund). A clock that went back counts for the newest day seen.</summary>
    /// <param name="day">Days since 1970.</param>
    public AccountSpend With(long amount, long day) => day <= On
        ? this with { Day = Day + amount, Month = Month + amount, Total = Total + amount }
        : new AccountSpend(day, amount, (MonthOf(day) == MonthOf(On) ? Month : 0) + amount, Total + amount);

    /// <summary>Months since year 0 of a day since 1970.</summary>
    public static long MonthOf(long day)
    {
        var date = DateTime.UnixEpoch.AddDays(day);
        return date.Year * 12L + date.Month;
    }
}
