using System.Net.Http.Headers;
using Amazon.Runtime;
using Amazon.Runtime.Credentials;
using CrossModel.Configuration;

namespace CrossModel.Dialects.Bedrock;

/// <summary>
/// How a call shows who pays: a Bedrock API key as bearer, else a signature with configured keys, else with what the machine has
/// (environment, profile, container or instance role; the official library finds and renews those).
/// </summary>
internal sealed class BedrockCredentials
{
    private readonly KeyTurns _keys;
    private readonly AwsKey? _static;
    private readonly Lazy<AWSCredentials> _machine;
    private readonly string _region;
    private readonly TimeProvider _time;

    /// <param name="machine">Stands in for the machine's own credentials; null: those.</param>
    public BedrockCredentials(UpstreamConfig config, string region, TimeProvider time, Func<AWSCredentials>? machine = null)
    {
        _keys = KeyTurns.Of(config, time);
        _static = config is { AccessKeyId: { } id, SecretAccessKey: { } secret } ? new AwsKey(id, secret, config.SessionToken) : null;
        _machine = new Lazy<AWSCredentials>(machine ?? (() => DefaultAWSCredentialsIdentityResolver.GetCredentials()), LazyThreadSafetyMode.PublicationOnly);
        (_region, _time) = (region, time);
        if (_keys.IsEmpty && _static is null && machine is null
            && Environment.GetEnvironmentVariable("AWS_BEARER_TOKEN_BEDROCK") is { Length: > 0 } bearer) _keys = new KeyTurns(time, bearer);
    }

    public async ValueTask AuthorizeAsync(HttpRequestMessage message, UpstreamRequest upstream, CancellationToken cancellation)
    {
        if (!_keys.IsEmpty)
        {
            message.Headers.Authorization = new AuthenticationHeaderValue("Bearer", _keys.Next(message, upstream.Model));
            return;
        }
        var key = _static ?? await MachineKeyAsync(cancellation);
        foreach (var (name, value) in AwsSigner.Sign(upstream.Uri, upstream.Body.Span, _region, key, _time.GetUtcNow())) message.Headers.TryAddWithoutValidation(name, value);
    }

    private async Task<AwsKey> MachineKeyAsync(CancellationToken cancellation)
    {
        try
        {
            // The library reads files and asks the machine, and waits for both where it stands.
            var found = await Task.Run(() => _machine.Value.GetCredentialsAsync(), cancellation).WaitAsync(cancellation);
            return new AwsKey(found.AccessKey, found.SecretKey, found.UseToken ? found.Token : null);
        }
        catch (Exception fault) when (fault is AmazonClientException or InvalidOperationException or HttpRequestException or IOException)
        {
            throw new CredentialException("this machine has no AWS credentials: configure apiKey, or accessKeyId and secretAccessKey, or give it a role", fault);
        }
    }
}
