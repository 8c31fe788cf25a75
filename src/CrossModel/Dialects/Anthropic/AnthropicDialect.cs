using System.Net.Http.Headers;
using CrossModel.Configuration;
using CrossModel.Protocol;

namespace CrossModel.Dialects.Anthropic;

/// <summary>Anthropic's Messages API, also as other providers offer it under an address of theirs.</summary>
internal sealed class AnthropicDialect : IDialect
{
    private readonly ReasoningMemory _memory;
    private readonly ClaudeRefusals _refused = new();
    private readonly IReadOnlyDictionary<string, string> _headers;
    private readonly TimeProvider _time;
    private readonly KeyTurns _keys;
    private readonly Uri _address;
    private readonly Uri _modelList;

    public AnthropicDialect(UpstreamConfig config, TimeProvider time)
    {
        var root = new UriBuilder(config.BaseUrl ?? "https://api.anthropic.com");
        var path = root.Path.TrimEnd('/');
        if (!path.EndsWith("/v1", StringComparison.Ordinal)) path += "/v1";
        root.Path = path + "/models";
        _modelList = root.Uri;
        root.Path = path + "/messages";
        _address = root.Uri;
        _keys = KeyTurns.Of(config, time);
        (_headers, _time, _memory) = (config.Headers, time, ReasoningMemory.Of(time));
    }

    public bool TakesCandidates(ChatRequest request, RouteModel model) => false;

    public ApiError? Write(ChatRequest request, RouteModel model, WriteOptions options, UpstreamRequest upstream)
    {
        upstream.Uri = _address;
        AddHeaders(upstream);
        return new AnthropicRequest(AnthropicForm.Anthropic, _memory, _refused, request, model, upstream).Write(options);
    }

    public bool WriteModelList(UpstreamRequest upstream)
    {
        upstream.Uri = _modelList;
        AddHeaders(upstream);
        return true;
    }

    private void AddHeaders(UpstreamRequest upstream)
    {
        if (!_headers.Keys.Contains("anthropic-version", StringComparer.OrdinalIgnoreCase)) upstream.Headers.Add(new("anthropic-version", "2023-06-01"));
        upstream.Headers.AddRange(_headers);
    }

    public ValueTask AuthorizeAsync(HttpRequestMessage message, UpstreamRequest upstream, CancellationToken cancellation)
    {
        if (_keys.IsEmpty) return default;
        var key = _keys.Next(message, upstream.Model);
        // The tokens of a sign-in are for the Authorization header only.
        if (key.StartsWith("sk-ant-oat", StringComparison.Ordinal)) message.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key);
        else message.Headers.TryAddWithoutValidation("x-api-key", key);
        return default;
    }

    public ReplyReader OpenReply(ReplyContext context, RouteModel model) => new AnthropicReply(context, _memory);

    public UpstreamFault ReadFault(int status, HttpResponseHeaders headers, ReadOnlySpan<byte> body, UpstreamRequest upstream) =>
        _refused.Learn(AnthropicErrors.Read(status, headers, body, _time.GetUtcNow()), upstream);

    public void Dispose() { }
}
