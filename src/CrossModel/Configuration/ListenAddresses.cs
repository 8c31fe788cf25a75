using System.Net;

namespace CrossModel.Configuration;

/// <summary>Addresses to listen on, separated by semicolons: <c>http://</c>, an IP address of this machine, <c>localhost</c> or <c>*</c> for all of them, and a port.</summary>
internal static class ListenAddresses
{
    private static readonly (string Message, string Hint) NoAddress =
        ("an address to listen on is expected", "write \"http://127.0.0.1:8080\"; several are separated by semicolons");

    public static string[] Split(string urls) => urls.Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    /// <summary>The address as a browser on this machine writes it: one that means all addresses is no name to go to.</summary>
    public static string Reachable(string url) =>
        new[] { "[::]", "0.0.0.0", "*", "+" }.Aggregate(url, static (text, all) => text.Replace("://" + all, "://localhost", StringComparison.Ordinal)).TrimEnd('/');

    /// <summary>What is wrong with them and how to mend it; null: nothing that can be told from their form.</summary>
    public static (string Message, string Hint)? Fault(string urls)
    {
        var each = Split(urls);
        return each.Length == 0 ? NoAddress
            : each.Select(FaultOf).FirstOrDefault(fault => fault is not null) ?? (Repeats(each) ? ("an address stands here twice", "name each once") : null);
    }

    /// <summary>Both are without fault, and one address is in both.</summary>
    public static bool Share(string urls, string others) => Fault(urls) is null && Fault(others) is null && Repeats([.. Split(urls), .. Split(others)]);

    /// <summary>Port 0 is another one each time.</summary>
    private static bool Repeats(string[] urls)
    {
        BindingAddress[] ports = [.. urls.Select(BindingAddress.Parse).Where(address => address.Port > 0)];
        return ports.Distinct().Count() < ports.Length;
    }

    private static (string Message, string Hint)? FaultOf(string url)
    {
        // The wildcards are no host names for Uri.
        var concrete = url.Replace("://*", "://localhost", StringComparison.Ordinal).Replace("://+", "://localhost", StringComparison.Ordinal);
        if (!Uri.TryCreate(concrete, UriKind.Absolute, out var uri) || uri.Scheme is not ("http" or "https")
            || uri.PathAndQuery != "/" || uri.UserInfo.Length > 0 || uri.Fragment.Length > 0)
        {
            return NoAddress;
        }
        if (uri.Scheme == "https")
            return ("TLS is not spoken here", "write http:// and let a proxy in front speak TLS");
        // As Kestrel reads it: it would take any other name for all addresses of the machine, and who mistypes one must not be open to the network.
        BindingAddress address;
        try
        {
            address = BindingAddress.Parse(url);
        }
        catch (FormatException)
        {
            return NoAddress;
        }
        if (address.PathBase.Length > 0)
            return NoAddress;
        if (address.Host == "localhost")
            return address.Port > 0 ? null : ("localhost is two addresses, which cannot be given one free port", "write 127.0.0.1 and port 0, or name the port");
        return address.Host is "*" or "+" || IPAddress.TryParse(address.Host, out _) ? null
            : ("a host name is no address to listen on", "write an IP address of this machine and a port, localhost, or * for all of its addresses");
    }
}
