using System.Text;
using CrossModel.Protocol;

namespace CrossModel.Dialects;

/// <summary>What the block of a request may hold where an address stands in it.</summary>
internal enum RemoteKind { Image, Document, Video }

/// <summary>A file that a request names by address, and that its provider does not fetch by itself.</summary>
/// <param name="Url">As the caller wrote it.</param>
/// <param name="Place">Where it stands in the caller's body, e.g. <c>messages[3].content[1].image_url.url</c>.</param>
/// <param name="MostBytes">The largest file that the provider takes there.</param>
internal sealed record RemoteLink(string Url, string Place, RemoteKind Kind, int MostBytes);

/// <summary>
/// The files of one request that must be fetched before it can be sent. A dialect notes them here and writes the address where the data will be:
/// it is asked to write again once the caller's own request holds the data.
/// </summary>
internal sealed class RemoteLinks
{
    /// <summary>Bytes of the largest file that is fetched for anyone.</summary>
    public const int LargestFile = 20 * 1024 * 1024;

    /// <summary>Written for a type that nobody knows before the file is there.</summary>
    public const string AnyType = "*";

    private const int MostFiles = 16;

    private List<RemoteLink>? _wanted;

    /// <summary>The operator lets the gateway fetch for this upstream (<c>fetchRemote</c>).</summary>
    public bool MayFetch { get; set; }

    public IReadOnlyList<RemoteLink> Wanted => _wanted ?? (IReadOnlyList<RemoteLink>)[];

    public bool IsEmpty => _wanted is null;

    public static bool IsWeb(ReadOnlySpan<byte> url) => Begins(url, "http://"u8) || Begins(url, "https://"u8);

    /// <summary>Null: noted. Else a refusal (400): it may not be fetched, or too many are wanted.</summary>
    public ApiError? Want(ReadOnlySpan<byte> url, string place, RemoteKind kind, int mostBytes = LargestFile)
    {
        if (!MayFetch)
            return ApiErrors.UnsupportedParameter(place,
                "The provider of this model does not fetch such addresses."
                + " Send the content as a data URL (data:TYPE;base64,…), or ask the operator to let the gateway fetch it (fetchRemote).");
        _wanted ??= [];
        if (_wanted.Count == MostFiles)
            return ApiErrors.UnsupportedParameter(place, $"At most {MostFiles} files of a request are fetched. Send the others as data URLs (data:TYPE;base64,…).");
        _wanted.Add(new RemoteLink(Encoding.UTF8.GetString(url), place, kind, mostBytes));
        return null;
    }

    private static bool Begins(ReadOnlySpan<byte> url, ReadOnlySpan<byte> scheme) => url.Length > scheme.Length && Ascii.EqualsIgnoreCase(url[..scheme.Length], scheme);
}
