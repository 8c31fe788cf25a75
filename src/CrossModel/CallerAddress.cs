using System.Net;

namespace CrossModel;

/// <summary>Where a request comes from, as far as it can be believed. Only /metrics asks.</summary>
internal static class CallerAddress
{
    /// <summary>Each of these says that somebody passed the request on.</summary>
    private static readonly string[] Forwarding =
        ["X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Forwarded", "Via", "CF-Connecting-IP", "True-Client-IP"];

    /// <summary>
    /// The connection's address; where that is a trusted proxy, the last address in X-Forwarded-For that is none. Null: nobody can say, since
    /// a proxy that is not trusted, or says it in another way, passed the request on.
    /// </summary>
    /// <param name="trusted">Addresses and networks, as in <c>trustedProxies</c>.</param>
    public static IPAddress? Of(HttpContext http, IReadOnlyList<string> trusted)
    {
        if (Plain(http.Connection.RemoteIpAddress) is not { } peer) return null;
        var headers = http.Request.Headers;
        if (!Array.Exists(Forwarding, headers.ContainsKey)) return peer;
        if (!IsTrusted(peer, trusted)) return null;
        var chain = string.Join(',', headers["X-Forwarded-For"].ToArray()).Split(',', StringSplitOptions.TrimEntries);
        IPAddress? address = null;
        // From the nearest proxy outwards: what stands left of the first stranger was written by that stranger.
        for (var i = chain.Length - 1; i >= 0; i--)
        {
            if (!IPEndPoint.TryParse(chain[i], out var point)) return null;
            address = Plain(point.Address);
            if (!IsTrusted(address!, trusted)) break;
        }
        return address;
    }

    /// <summary>A program on this machine asks, and asks this machine by a name of its own:
    /// a proxy here that says nothing of its callers still passes on the name they used.</summary>
    public static bool IsLoopback(HttpContext http, IReadOnlyList<string> trusted)
    {
        var host = http.Request.Host.Host.Trim('[', ']');
        var own = host.Equals("localhost", StringComparison.OrdinalIgnoreCase) || (IPAddress.TryParse(host, out var address) && IPAddress.IsLoopback(address));
        return own && Of(http, trusted) is { } caller && IPAddress.IsLoopback(caller);
    }

    private static bool IsTrusted(IPAddress address, IReadOnlyList<string> trusted) =>
        trusted.Any(proxy => IPAddress.TryParse(proxy, out var lone) ? Plain(lone)!.Equals(address) : IPNetwork.TryParse(proxy, out var network) && network.Contains(address));

    private static IPAddress? Plain(IPAddress? address) => address is { IsIPv4MappedToIPv6: true } ? address.MapToIPv4() : address;
}
