using System.Net;
using System.Net.Sockets;

namespace CrossModel.Upstreams;

/// <summary>Tells addresses of the public internet from all others: what is behind those is the operator's, not the caller's to read.</summary>
internal static class PublicAddress
{
    /// <summary>IANA's special-purpose registry, multicast and what is reserved.</summary>
    private static readonly IPNetwork[] NotPublic =
    [
        .. ((string[])[
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
            "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
            // Looks public, but is Azure's own host, which tells its guests' secrets.
            "168.63.129.16/32",
            // Within 2000::/3: protocols of their own (Teredo among them), documentation, and 6to4, which carries any IPv4 address.
            "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
        ]).Select(IPNetwork.Parse),
    ];

    // Nothing else of IPv6 is given out: loopback, unique-local, link-local, site-local, multicast and the forms of IPv4 lie outside.
    private static readonly IPNetwork GivenOut = IPNetwork.Parse("2000::/3");

    /// <summary>NAT64: how a network without IPv4 reaches IPv4 addresses, whose last four bytes it carries.</summary>
    private static readonly IPNetwork Translated = IPNetwork.Parse("64:ff9b::/96");

    public static bool Is(IPAddress address)
    {
        if (address.IsIPv4MappedToIPv6) address = address.MapToIPv4();
        else if (Translated.Contains(address)) address = new IPAddress(address.GetAddressBytes()[12..]);
        if (address.AddressFamily == AddressFamily.InterNetworkV6 && !GivenOut.Contains(address)) return false;
        return !Array.Exists(NotPublic, network => network.Contains(address));
    }
}
