using System.Net.Security;
using System.Security.Cryptography.X509Certificates;

namespace CrossModel.Protocol;

/// <summary>TLS towards servers that the gateway calls.</summary>
internal static class ClientTls
{
    /// <summary>
    /// A server sends its whole chain of certificates, or is not believed. The runtime would otherwise fetch what is missing from an address that stands
    /// in the certificate, waiting for it in the middle of a handshake; and a stranger's certificate may name any address, one inside the operator's network too.
    /// </summary>
    public static SslClientAuthenticationOptions Options => new()
    {
        CertificateChainPolicy = new X509ChainPolicy { DisableCertificateDownloads = true, RevocationMode = X509RevocationMode.NoCheck },
    };
}
