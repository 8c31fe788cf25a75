namespace CrossModel.Configuration;

/// <summary>Addresses to listen on, separated by semicolons: <c>http://</c>, an IP address of this machine, <c>localhost</c> or <c>*</c> for all of them, and a port.</summary>
internal static class ListenAddresses
{
    public static string[] Split(string urls) => urls.Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    /// <summary>What is wrong with them and how to mend it; null: nothing that can be told from their form.</summary>
    public static (string Message, string Hint)? Fault(string urls)
    {
        string[] each = Split(urls);
        return each.Length == 0 ? ("an address to listen on is expected", "write \"http://127.0.0.1:8080\"") : each.Select(FaultOf).FirstOrDefault(fault => fault is not null);
    }

    private static (string Message, string Hint)? FaultOf(string url)
    {
        // The wildcards are no host names for Uri.
        string concrete = url.Replace("://*", "://localhost", StringComparison.Ordinal).Replace("://+", "://localhost", StringComparison.Ordinal);
        if (!Uri.TryCreate(concrete, UriKind.Absolute, out Uri? uri) || uri.Scheme is not ("http" or "https") || uri.PathAndQuery != "/" || uri.UserInfo.Length > 0 || uri.Fragment.Length > 0)
            return ("an address to listen on is expected", "write \"http://127.0.0.1:8080\"; several are separated by semicolons");
        if (uri.Scheme == "https")
            return ("TLS is not spoken here", "write http:// and let a proxy in front speak TLS");
        // Kestrel would take any other name for all addresses of the machine: who mistypes one must not be open to the network.
        return uri.HostNameType is UriHostNameType.IPv4 or UriHostNameType.IPv6 || uri.Host == "localhost" ? null
            : ("a host name is no address to listen on", "write an IP address of this machine, localhost, or * for all of its addresses");
    }
}
