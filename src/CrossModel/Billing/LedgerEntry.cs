using System.Globalization;
using System.Security.Cryptography;
using System.Text.Unicode;

namespace CrossModel.Billing;

/// <summary>The kinds of ledger entries, as stored.</summary>
internal static class EntryKind
{
    /// <summary>Money put in.</summary>
    public const string Credit = "credit";
    /// <summary>A reply's cost, 0 or less; the reference is the request's id.</summary>
    public const string Charge = "charge";
    /// <summary>A reply that costs nothing because it failed or was empty: amount 0, so that its record is in the chain too.</summary>
    public const string Waived = "waived";
    /// <summary>A charge given back; the reference is the request's id.</summary>
    public const string Refund = "refund";
    /// <summary>A mistake mended, either way; the reference is the request's id or empty.</summary>
    public const string Correction = "correction";
    /// <summary>Request records of entries up to the seq in the reference were taken out; amount 0.</summary>
    public const string Checkpoint = "checkpoint";
}

/// <summary>One movement of an account's money. Never updated, never deleted.</summary>
/// <param name="Place">Where it lies among the entries of all accounts: its time, or the place of the account's entry before where the clock went back.</param>
/// <param name="Seq">1, 2, 3 … within the account.</param>
/// <param name="Previous">The place of the account's entry before; 0 for the first.</param>
/// <param name="Amount">Nano-dollars; what leaves the balance is negative.</param>
/// <param name="Balance">Nano-dollars: the account's after this entry.</param>
/// <param name="At">Unix milliseconds.</param>
/// <param name="RecordHash">Hex SHA-256 of the request record's detail; empty where there is none.</param>
/// <param name="Hash">Hex SHA-256 over this entry and the hash of the one before.</param>
internal sealed record LedgerEntry(
    long Place, string AccountId, long Seq, long Previous, string Kind, long Amount, long Balance, long At, string Reference, string Note, string RecordHash, string Hash)
{
    /// <summary>The id that receipts show.</summary>
    public static string IdOf(string accountId, long seq) => string.Create(CultureInfo.InvariantCulture, $"{accountId}:{seq}");

    /// <summary>Hex SHA-256 of everything but the hash itself and where the entry lies, chained to <paramref name="previous"/> (empty for the first entry).</summary>
    public string ComputeHash(string previous)
    {
        // Free text carries its length, so that no two different entries spell the same bytes. Only a note can make it longer than the first try has room for.
        Span<byte> room = stackalloc byte[1024];
        int written;
        while (!Utf8.TryWrite(room, CultureInfo.InvariantCulture,
            $"{previous}\n{AccountId}\n{Seq}\n{Kind}\n{Amount}\n{Balance}\n{At}\n{Reference.Length}:{Reference}\n{Note.Length}:{Note}\n{RecordHash}", out written))
            room = new byte[room.Length * 2];
        Span<byte> hash = stackalloc byte[32];
        SHA256.HashData(room[..written], hash);
        return Convert.ToHexStringLower(hash);
    }
}
