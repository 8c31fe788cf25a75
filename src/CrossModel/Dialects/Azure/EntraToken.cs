using Azure;
using Azure.Core;
using Azure.Identity;
using CrossModel.Configuration;

namespace CrossModel.Dialects.Azure;

/// <summary>An Entra ID token for Azure's models, cached and renewed five minutes before it ends.</summary>
internal sealed class EntraToken : IDisposable
{
    private readonly RefreshAhead<string> _token;

    public EntraToken(TokenCredential credential, string scope, TimeProvider time)
    {
        var context = new TokenRequestContext([scope]);
        _token = new RefreshAhead<string>(async cancellation =>
        {
            try
            {
                var token = await credential.GetTokenAsync(context, cancellation);
                return (token.Token, token.ExpiresOn);
            }
            catch (Exception fault) when (fault is AuthenticationFailedException or RequestFailedException)
            {
                // Its words name tenant and client: the kind is enough for the log's reader to know where to look.
                throw new CredentialException($"Entra ID gave no token ({credential.GetType().Name}); check the tenant, the client and its secret, or the machine's identity", fault);
            }
        }, time);
    }

    /// <summary>By client secret where one is configured, else whatever identity the machine has: managed, workload, environment.</summary>
    public static EntraToken Of(UpstreamConfig config, AzureAddress address, TimeProvider time)
    {
        var authority = address.Cloud switch { "us" => AzureAuthorityHosts.AzureGovernment, "cn" => AzureAuthorityHosts.AzureChina, _ => AzureAuthorityHosts.AzurePublicCloud };
        TokenCredential credential = config is { TenantId: { } tenant, ClientId: { } client, ClientSecret: { } secret }
            ? new ClientSecretCredential(tenant, client, secret, new ClientSecretCredentialOptions { AuthorityHost = authority })
            : new DefaultAzureCredential(new DefaultAzureCredentialOptions { AuthorityHost = authority });
        return new EntraToken(credential, address.Scope, time);
    }

    public ValueTask<string> GetAsync(CancellationToken cancellation) => _token.GetAsync(cancellation);

    public void Dispose() => _token.Dispose();
}
