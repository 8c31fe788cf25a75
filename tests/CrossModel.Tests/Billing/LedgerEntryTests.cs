using System.Security.Cryptography;
using System.Text;
using CrossModel.Billing;

namespace CrossModel.Tests.Billing;

/// <summary>What a ledger entry's hash covers is written down in every database: another spelling would call all of them tampered with.</summary>
public sealed class LedgerEntryTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(600)]
    [InlineData(50_000)]
    public void Hash_IsOfThisSpelling_HoweverLongTheNote(int length)
    {
        var note = string.Concat(Enumerable.Repeat("né\U0001F600", length / 4));
        var entry = new LedgerEntry(1_700_000_000_000, "acc_1", 7, 1_600_000_000_000, EntryKind.Correction, -1_500, 98_500, 1_700_000_000_000, "req_1", note, "ab12", "");
        var spelled = "prev\nacc_1\n7\ncorrection\n-1500\n98500\n1700000000000\n5:req_1\n" + note.Length + ":" + note + "\nab12";
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(spelled))), entry.ComputeHash("prev"));
    }
}
