using System.Data.Common;
using CrossModel.Storage;

namespace CrossModel.Accounts;

/// <summary>Terms as the tables of accounts and of keys have them: rpm, tpm, parallel, spend_day, spend_month, spend_total.</summary>
internal static class TermsColumns
{
    /// <summary>For an UPDATE, with the values of <see cref="Parameters"/>.</summary>
    public const string Assignments =
        "rpm = @rpm, tpm = @tpm, parallel = @parallel, spend_day = @spend_day, spend_month = @spend_month, spend_total = @spend_total";

    public static (string Name, object? Value)[] Parameters(Terms terms) =>
    [
        ("@rpm", terms.RequestsPerMinute), ("@tpm", terms.TokensPerMinute), ("@parallel", terms.Parallel),
        ("@spend_day", terms.SpendDay), ("@spend_month", terms.SpendMonth), ("@spend_total", terms.SpendTotal),
    ];

    public static Terms Read(DbDataReader row, int first)
    {
        var terms = new Terms
        {
            RequestsPerMinute = row.LongOrNull(first),
            TokensPerMinute = row.LongOrNull(first + 1),
            Parallel = (int?)row.LongOrNull(first + 2),
            SpendDay = row.LongOrNull(first + 3),
            SpendMonth = row.LongOrNull(first + 4),
            SpendTotal = row.LongOrNull(first + 5),
        };
        return terms == Terms.None ? Terms.None : terms; // one object for the many that have none
    }
}
