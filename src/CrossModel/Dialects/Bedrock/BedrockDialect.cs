using System.Net.Http.Headers;
using CrossModel.Configuration;
using CrossModel.Protocol;

namespace CrossModel.Dialects.Bedrock;

/// <summary>Amazon Bedrock's Converse and ConverseStream.</summary>
internal sealed class BedrockDialect : IDialect
{
    private const string EventStream = "application/vnd.amazon.eventstream";

    private readonly ReasoningMemory _memory;
    private readonly BedrockCredentials _credentials;
    private readonly IReadOnlyDictionary<string, string> _headers;
    private readonly TimeProvider _time;
    private readonly string _root;

    /// <param name="credentials">Stands in for those that the configuration asks for; null: those.</param>
    public BedrockDialect(UpstreamConfig config, TimeProvider time, BedrockCredentials? credentials = null)
    {
        var region = config.Region ?? "us-east-1";
        var domain = region.StartsWith("cn-", StringComparison.Ordinal) ? "amazonaws.com.cn" : "amazonaws.com";
        _root = (config.BaseUrl ?? $"https://bedrock-runtime.{region}.{domain}").TrimEnd('/');
        _credentials = credentials ?? new BedrockCredentials(config, region, time);
        (_headers, _time, _memory) = (config.Headers, time, ReasoningMemory.Of(time));
    }

    public bool TakesCandidates(ChatRequest request, RouteModel model) => false;

    public ApiError? Write(ChatRequest request, RouteModel model, WriteOptions options, UpstreamRequest upstream)
    {
        upstream.Stream = request.Stream;
        upstream.Uri = new Uri($"{_root}/model/{Uri.EscapeDataString(model.UpstreamModel)}/{(request.Stream ? "converse-stream" : "converse")}");
        if (request.Stream) upstream.Accept = EventStream;
        upstream.Headers.AddRange(_headers);
        return new BedrockRequest(FamilyOf(model), _memory).Write(request, model, options, upstream);
    }

    public ValueTask AuthorizeAsync(HttpRequestMessage message, UpstreamRequest upstream, CancellationToken cancellation) =>
        _credentials.AuthorizeAsync(message, upstream, cancellation);

    public ReplyReader OpenReply(ReplyContext context, RouteModel model) => new BedrockReply(context, FamilyOf(model).IsClaude ? _memory : null);

    public UpstreamFault ReadFault(int status, HttpResponseHeaders headers, ReadOnlySpan<byte> body, UpstreamRequest upstream) =>
        BedrockErrors.Read(status, headers, body, _time.GetUtcNow());

    public void Dispose() { }

    private static BedrockFamily FamilyOf(RouteModel model) => BedrockFamily.Of(model.UpstreamModel, model.Id);
}
