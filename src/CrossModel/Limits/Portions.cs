using CrossModel.Accounts;

namespace CrossModel.Limits;

/// <summary>How much of a limit a node gets: in numbers alone, by what it needs, what the others have and what the books say.</summary>
internal static class Portions
{
    private const long Counted = 20; // limits below it are not shared out ahead
    public const long NearCalls = 20; // with so few calls' worth left of a spend limit no node keeps any of it ahead

    /// <summary>How much of a limit a node leases at once. Negative: not even what it needs is left. 0 where there is no limit.</summary>
    /// <param name="waiting">What calls wait for beside the one that needs it.</param>
    public static long Of(long? limit, long others, long need, long waiting, bool alone)
    {
        if (limit is not { } most) return 0;
        var free = most - others;
        return need > free ? -1 : alone ? free : Math.Min(free, need + Math.Max(waiting, Spare(most)));
    }

    /// <summary>How much a node leases at once of the spend limits together, as <see cref="Of"/> says.</summary>
    public static long OfSpend(Terms terms, Subject subject, Spent spent, long others, long held, long cost, long waiting, bool alone)
    {
        if (LeastSpend(terms) is not { } least) return 0;
        if (SpendWindows.Judge(terms, subject, spent, held + others, cost) is not null) return -1;
        var left = FreeSpend(terms, spent);
        var free = left - others;
        return Math.Max(held + cost, alone ? free : Math.Min(free, held + cost + Math.Max(waiting, IsSpendNear(left, cost) ? 0 : Spare(least))));
    }

    /// <summary>What the tightest spend limit leaves by the books.</summary>
    public static long FreeSpend(Terms terms, Spent spent) =>
        Math.Min(Math.Min(Left(terms.SpendDay, spent.Day), Left(terms.SpendMonth, spent.Month)), Left(terms.SpendTotal, spent.Total));

    private static long Left(long? limit, long spent) => limit - spent ?? long.MaxValue;

    public static bool IsSpendNear(long left, long cost) => cost > 0 && left < NearCalls * cost;

    /// <summary>What a node may keep beyond its use while others are about.</summary>
    public static ShareAmounts SpareOf(Terms terms, bool isSpendNear) =>
        new(Spare(terms.RequestsPerMinute), Spare(terms.TokensPerMinute), Spare(terms.Parallel), isSpendNear ? 0 : Spare(LeastSpend(terms)));

    private static long Spare(long? limit) => limit >= Counted ? limit.Value / 20 : 0;

    private static long? LeastSpend(Terms terms) => new[] { terms.SpendDay, terms.SpendMonth, terms.SpendTotal }.Min();
}
