using System.Net.Http.Headers;
using CrossModel.Configuration;
using CrossModel.Protocol;

namespace CrossModel.Dialects.Gemini;

/// <summary>The Gemini API: generateContent and its stream, with API keys.</summary>
internal sealed class GeminiDialect(UpstreamConfig config, TimeProvider time) : IDialect
{
    private readonly string[] _keys = config.ApiKeys.Count > 0 ? [.. config.ApiKeys] : config.ApiKey is { Length: > 0 } key ? [key] : [];
    private readonly string _root = (config.BaseUrl ?? "https://generativelanguage.googleapis.com").TrimEnd('/') + "/v1beta/";
    private readonly GeminiLessons _lessons = new();
    private readonly ReasoningMemory _memory = ReasoningMemory.Of(time);
    private int _turn = -1;

    // Not every model gives several, none in a stream: it is asked side by side.
    public bool TakesCandidates(RouteModel model) => false;

    public ApiError? Write(ChatRequest request, RouteModel model, WriteOptions options, UpstreamRequest upstream)
    {
        if (GeminiAddress.Path(model.UpstreamModel, "models/") is not { } path) return GeminiAddress.Unusable();
        upstream.Uri = GeminiAddress.Of(_root + path, request.Stream);
        upstream.Stream = request.Stream;
        upstream.Headers.AddRange(config.Headers);
        var signatures = new Signatures(GeminiHost.GeminiApi, _lessons, _memory, options.Account);
        return new GeminiRequest(GeminiHost.GeminiApi, _lessons.Of(GeminiAddress.ModelOf(upstream.Uri)), signatures, model).Write(request, options, upstream);
    }

    public bool WriteModelList(UpstreamRequest upstream)
    {
        upstream.Uri = new Uri(_root + "models");
        upstream.Headers.AddRange(config.Headers);
        return true;
    }

    public ValueTask AuthorizeAsync(HttpRequestMessage message, UpstreamRequest upstream, CancellationToken cancellation)
    {
        // In a header: addresses are logged along the way.
        if (_keys.Length > 0) message.Headers.TryAddWithoutValidation("x-goog-api-key", _keys[(uint)Interlocked.Increment(ref _turn) % (uint)_keys.Length]);
        return default;
    }

    public ReplyReader OpenReply(ReplyContext context, RouteModel model) => new GeminiReply(context, GeminiHost.GeminiApi, _memory);

    public UpstreamFault ReadFault(int status, HttpResponseHeaders headers, ReadOnlySpan<byte> body, UpstreamRequest upstream)
    {
        var fault = GeminiErrors.Read(status, headers, body, time.GetUtcNow());
        return fault.Failure == UpstreamFailure.Rejected && _lessons.Learn(GeminiAddress.ModelOf(upstream.Uri), GeminiErrors.MessageOf(body), upstream.Body.Memory) ? fault with { TryAgain = true } : fault;
    }

    public void Dispose() { }
}
