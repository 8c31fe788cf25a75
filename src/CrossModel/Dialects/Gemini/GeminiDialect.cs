using System.Net.Http.Headers;
using CrossModel.Configuration;
using CrossModel.Protocol;

namespace CrossModel.Dialects.Gemini;

/// <summary>The Gemini API: generateContent and its stream, with API keys.</summary>
internal sealed class GeminiDialect(UpstreamConfig config, TimeProvider time) : IDialect
{
    private readonly KeyTurns _keys = KeyTurns.Of(config, time);
    private readonly string _root = (config.BaseUrl ?? "https://generativelanguage.googleapis.com").TrimEnd('/') + "/v1beta/";
    private readonly GeminiLessons _lessons = new();
    private readonly ReasoningMemory _memory = ReasoningMemory.Of(time);

    public bool TakesCandidates(ChatRequest request, RouteModel model) => AddressOf(model, request.Stream) is { } address && _lessons.IsSure(request, address);

    public ApiError? Write(ChatRequest request, RouteModel model, WriteOptions options, UpstreamRequest upstream)
    {
        if (AddressOf(model, request.Stream) is not { } address) return GeminiAddress.Unusable();
        upstream.Uri = address;
        upstream.Stream = request.Stream;
        upstream.Headers.AddRange(config.Headers);
        var signatures = new Signatures(GeminiHost.GeminiApi, _lessons, _memory, options.Account);
        return new GeminiRequest(GeminiHost.GeminiApi, _lessons.Of(GeminiAddress.ModelOf(address)), signatures, model).Write(request, options, upstream);
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
        if (!_keys.IsEmpty) message.Headers.TryAddWithoutValidation("x-goog-api-key", _keys.Next(message, upstream.Model));
        return default;
    }

    public ReplyReader OpenReply(ReplyContext context, RouteModel model) =>
        new GeminiReply(context, GeminiHost.GeminiApi, _memory, all => _lessons.Gave(GeminiAddress.ModelOf(AddressOf(model, context.Stream)!), all));

    public UpstreamFault ReadFault(int status, HttpResponseHeaders headers, ReadOnlySpan<byte> body, UpstreamRequest upstream)
    {
        var fault = GeminiErrors.Read(status, headers, body, time.GetUtcNow());
        return fault.Failure == UpstreamFailure.Rejected
            && _lessons.Learn(GeminiAddress.ModelOf(upstream.Uri), GeminiErrors.MessageOf(body), upstream.Body.Memory)
            ? fault with { TryAgain = true } : fault;
    }

    public void Dispose() { }

    /// <summary>Null: the model's name cannot stand in an address.</summary>
    private Uri? AddressOf(RouteModel model, bool stream) =>
        GeminiAddress.Path(model.UpstreamModel, "models/") is { } path ? GeminiAddress.Of(_root + path, stream) : null;
}
