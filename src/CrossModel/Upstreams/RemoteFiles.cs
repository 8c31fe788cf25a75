using System.Net;
using System.Net.Sockets;
using CrossModel.Dialects;
using CrossModel.Protocol;

namespace CrossModel.Upstreams;

/// <summary>A file that was fetched.</summary>
/// <param name="MediaType">What its first bytes say, else what its server said; lower case, without parameters.</param>
/// <param name="Bytes">Owned.</param>
internal sealed record RemoteFile(string MediaType, PooledBuffer Bytes) : IDisposable
{
    public void Dispose() => Bytes.Dispose();
}

/// <summary>
/// Fetches what callers name by address. Callers are strangers, so nothing of the operator's may be reached through it: a connection goes to the
/// very address that was looked up and found allowed, each redirect is judged anew, and bytes, time, number and type are limited.
/// </summary>
/// <param name="isAllowed">May this address be connected to?</param>
/// <param name="resolve">Addresses of a host name; null: by the machine's resolver.</param>
internal sealed class RemoteFiles(Func<IPAddress, bool> isAllowed, TimeProvider time, Func<string, CancellationToken, Task<IPAddress[]>>? resolve = null) : IAsyncDisposable
{
    /// <summary>For all files of a request together.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private const int MostRedirects = 3;
    private const int ReadBytes = 64 * 1024;
    private const string Instead = "Send the content as a data URL (data:TYPE;base64,…) instead.";

    private readonly HttpMessageInvoker _http = new(new SocketsHttpHandler
    {
        AllowAutoRedirect = false,
        UseCookies = false,
        UseProxy = false,
        AutomaticDecompression = DecompressionMethods.None,
        ActivityHeadersPropagator = null,
        SslOptions = ClientTls.Options,
        // A connection is used once: none that was allowed for one request serves another.
        PooledConnectionLifetime = TimeSpan.Zero,
        MaxResponseDrainSize = 0,
        ConnectCallback = (context, ct) => ConnectAsync(context.DnsEndPoint, isAllowed, resolve ?? Dns.GetHostAddressesAsync, ct),
    });

    private readonly record struct Fetched(RemoteFile? File, ApiError? Refusal);

    /// <summary>All of them side by side, each address once; one file for each link, in their order, or a refusal and none. Throws when cancelled.</summary>
    /// <param name="take">Told of bytes as they come, by several at once; a refusal ends it.</param>
    public async Task<(IReadOnlyList<RemoteFile> Files, ApiError? Refusal)> FetchAsync(IReadOnlyList<RemoteLink> links, Func<int, ApiError?> take, CancellationToken cancellation)
    {
        using var deadline = new CancellationTokenSource(Patience, time);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellation, deadline.Token);
        async Task<Fetched> OneAsync(RemoteLink link)
        {
            try
            {
                var fetched = await FollowAsync(link, take, ending.Token);
                if (fetched.Refusal is not null) await ending.CancelAsync();
                return fetched;
            }
            catch (OperationCanceledException)
            {
                // Neither: the caller has left, or another file has failed.
                return deadline.IsCancellationRequested
                    ? Refused(link, $"It did not come within {Patience.TotalSeconds:0} seconds, which is the limit for all files of a request together.")
                    : default;
            }
        }

        var tasks = new Dictionary<(string, RemoteKind), Task<Fetched>>();
        foreach (var link in links)
        {
            if (!tasks.ContainsKey((link.Url, link.Kind))) tasks.Add((link.Url, link.Kind), OneAsync(link));
        }
        var all = await Task.WhenAll(tasks.Values);
        var refusal = Array.Find(all, f => f.Refusal is not null).Refusal;
        if (refusal is null && !cancellation.IsCancellationRequested) return ([.. links.Select(link => tasks[(link.Url, link.Kind)].Result.File!)], null);
        foreach (var fetched in all) fetched.File?.Dispose();
        cancellation.ThrowIfCancellationRequested();
        return ([], refusal);
    }

    private async Task<Fetched> FollowAsync(RemoteLink link, Func<int, ApiError?> take, CancellationToken cancellation)
    {
        var isAnswered = false;
        try
        {
            if (!Uri.TryCreate(link.Url, UriKind.Absolute, out var address) || !IsWellFormed(address))
                return Refused(link, "An address begins with http:// or https://, holds no user name, and its port is 80, 443 or one from 1024 on.");
            for (var hops = 0; ; hops++)
            {
                using var message = new HttpRequestMessage(HttpMethod.Get, address) { Version = HttpVersion.Version11, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
                message.Headers.TryAddWithoutValidation("User-Agent", "crossmodel");
                message.Headers.TryAddWithoutValidation("Accept-Encoding", "identity");
                using var response = await _http.SendAsync(message, cancellation);
                if ((int)response.StatusCode is 301 or 302 or 303 or 307 or 308 && response.Headers.Location is { } location)
                {
                    if (hops == MostRedirects || Next(address, location) is not { } next)
                        return Refused(link, $"It leads on to another address more than {MostRedirects} times, from https to http, or to none that may be fetched.");
                    address = next;
                    continue;
                }
                if (response.StatusCode != HttpStatusCode.OK) return Refused(link, $"Its server answers with status {(int)response.StatusCode}.");
                isAnswered = true;
                return await ReadAsync(link, response.Content, take, cancellation);
            }
        }
        catch (Exception e) when (e is HttpRequestException or IOException or UriFormatException)
        {
            // One text for what is private, unknown, closed or mute: nobody is told what the gateway could reach.
            return Refused(link, isAnswered ? "It broke off before it was whole." : "No public web server answers there.");
        }
    }

    private static async Task<Fetched> ReadAsync(RemoteLink link, HttpContent content, Func<int, ApiError?> take, CancellationToken cancellation)
    {
        if (content.Headers.ContentLength > link.MostBytes) return TooLarge(link);
        if (content.Headers.ContentEncoding.Count > 0) return Refused(link, "Its server sends it compressed, though it was not asked to.");
        var bytes = new PooledBuffer();
        var isKept = false;
        try
        {
            var body = await content.ReadAsStreamAsync(cancellation);
            while (true)
            {
                var count = await body.ReadAsync(bytes.GetMemory(ReadBytes), cancellation);
                if (bytes.Length + count > SocketTurn.MostBytes) await SocketTurn.End();
                if (count == 0) break;
                bytes.Advance(count);
                if (bytes.Length > link.MostBytes) return TooLarge(link);
                if (take(count) is { } full) return new Fetched(null, full);
            }
            var declared = content.Headers.ContentType?.MediaType?.ToLowerInvariant();
            if (TypeOf(link.Kind, declared, bytes.Span) is not { } type)
                return Refused(link, $"It is no {Name(link.Kind)} that is known here (its server calls it {ApiErrors.Echo(declared ?? "nothing")}).");
            isKept = true;
            return new Fetched(new RemoteFile(type, bytes), null);
        }
        finally
        {
            if (!isKept) bytes.Dispose();
        }
    }

    /// <summary>Null: not what such a block may hold. Of images and PDF the first bytes decide alone: servers mislabel them, and a page that says "log in" is none.</summary>
    private static string? TypeOf(RemoteKind kind, string? declared, ReadOnlySpan<byte> bytes)
    {
        var told = DataUrl.Sniff(bytes);
        if (kind == RemoteKind.Image) return told is not null && Is(told, "image/") ? told : null;
        if (told is not null) return kind == RemoteKind.Document ? told : null;
        if (declared is null || bytes.IsEmpty) return null;
        if (kind == RemoteKind.Video) return Is(declared, "video/") ? declared : null;
        var isKnown = Is(declared, "text/") || Is(declared, "audio/") || Is(declared, "video/") || Is(declared, "application/vnd.openxmlformats-officedocument.")
            || declared is "application/json" or "application/xml" or "application/yaml" or "application/msword" or "application/vnd.ms-excel";
        return isKnown ? declared : null;
    }

    private static bool Is(string type, string beginning) => type.StartsWith(beginning, StringComparison.Ordinal);

    private static bool IsWellFormed(Uri address) =>
        (address.Scheme == Uri.UriSchemeHttp || address.Scheme == Uri.UriSchemeHttps) && address.UserInfo.Length == 0 && address.Port is 80 or 443 or >= 1024;

    /// <summary>Where a redirect leads; null: to nothing that may be fetched, or from https to http.</summary>
    internal static Uri? Next(Uri from, Uri location)
    {
        var next = new Uri(from, location);
        return IsWellFormed(next) && (from.Scheme == Uri.UriSchemeHttp || next.Scheme == Uri.UriSchemeHttps) ? next : null;
    }

    private static string Name(RemoteKind kind) => kind switch { RemoteKind.Image => "image", RemoteKind.Video => "video", _ => "document" };

    private static Fetched TooLarge(RemoteLink link) => Refused(link, $"It is larger than {link.MostBytes} bytes, the most that is fetched here.");

    private static Fetched Refused(RemoteLink link, string why) =>
        new(null, ApiErrors.InvalidMessages(link.Place, $"The file at this address could not be fetched. {why} {Instead}"));

    /// <summary>Looks up, judges and connects in one step, so that a name cannot mean one address when it is judged and another when it is used.</summary>
    private static async ValueTask<Stream> ConnectAsync(
        DnsEndPoint host, Func<IPAddress, bool> isAllowed, Func<string, CancellationToken, Task<IPAddress[]>> resolve, CancellationToken cancellation)
    {
        // A number in any spelling is an address, too.
        var addresses = IPAddress.TryParse(host.Host, out var literal) ? [literal] : await resolve(host.Host, cancellation);
        return new NetworkStream(await HappyEyeballs.ConnectAsync([.. addresses.Where(isAllowed)], host.Port, cancellation), ownsSocket: true);
    }

    public ValueTask DisposeAsync()
    {
        _http.Dispose();
        return default;
    }
}
