using System.Net.Http.Headers;
using CrossModel.Configuration;
using CrossModel.Dialects.Anthropic;
using CrossModel.Dialects.Gemini;
using CrossModel.Protocol;

namespace CrossModel.Dialects.Vertex;

/// <summary>Vertex AI: Gemini as at the Gemini API but for what <see cref="GeminiHost"/> says, and Claude in Anthropic's own format.</summary>
internal sealed class VertexDialect : IDialect
{
    private static readonly AnthropicForm Claude = new(NamesModel: false, NamesStream: true, BodyVersion: "vertex-2023-10-16", ReadsLinks: false);

    private readonly UpstreamConfig _config;
    private readonly TimeProvider _time;
    private readonly VertexAddress _address;
    private readonly GeminiHost _host;
    private readonly KeyTurns _keys;
    private readonly GoogleToken? _token;
    private readonly GeminiLessons _lessons = new();
    private readonly ReasoningMemory _memory;
    private readonly ClaudeRefusals _refused = new();

    /// <param name="token">Owned; null: by the configuration.</param>
    public VertexDialect(UpstreamConfig config, TimeProvider time, GoogleToken? token = null)
    {
        (_config, _time, _address, _memory) = (config, time, new VertexAddress(config), ReasoningMemory.Of(time));
        _host = GeminiHost.VertexAI with { CloudStorage = config.FetchRemote };
        _keys = KeyTurns.Of(config, time);
        if (_keys.IsEmpty) _token = token ?? new GoogleToken(config.ServiceAccount ?? GoogleToken.UsualFile(), time);
    }

    public bool TakesCandidates(ChatRequest request, RouteModel model) =>
        !VertexAddress.IsClaude(model.UpstreamModel) && _address.Of(model.UpstreamModel, request.Stream) is { } address && _lessons.IsSure(request, address);

    public ApiError? Write(ChatRequest request, RouteModel model, WriteOptions options, UpstreamRequest upstream)
    {
        if (_address.Of(model.UpstreamModel, request.Stream) is not { } address) return GeminiAddress.Unusable();
        upstream.Uri = address;
        upstream.Stream = request.Stream;
        upstream.Headers.AddRange(_config.Headers);
        if (VertexAddress.IsClaude(model.UpstreamModel))
        {
            var refusal = new AnthropicRequest(FormOf(model), _memory, _refused, request, model, upstream).Write(options);
            // A reply too long to wait for is streamed though a plain one was asked.
            upstream.Uri = _address.Of(model.UpstreamModel, upstream.Stream)!;
            return refusal;
        }
        var signatures = new Signatures(_host, _lessons, _memory, options.Account);
        return new GeminiRequest(_host, _lessons.Of(GeminiAddress.ModelOf(address)), signatures, model).Write(request, options, upstream);
    }

    public async ValueTask AuthorizeAsync(HttpRequestMessage message, UpstreamRequest upstream, CancellationToken cancellation)
    {
        if (_token is null) message.Headers.TryAddWithoutValidation("x-goog-api-key", _keys.Next(message, upstream.Model));
        else message.Headers.Authorization = new AuthenticationHeaderValue("Bearer", await _token.GetAsync(cancellation));
    }

    public ReplyReader OpenReply(ReplyContext context, RouteModel model) =>
        VertexAddress.IsClaude(model.UpstreamModel)
            ? new AnthropicReply(context, _memory)
            : new GeminiReply(context, _host, _memory, all => _lessons.Gave(GeminiAddress.ModelOf(_address.Of(model.UpstreamModel, context.Stream)!), all));

    public UpstreamFault ReadFault(int status, HttpResponseHeaders headers, ReadOnlySpan<byte> body, UpstreamRequest upstream)
    {
        // Google itself speaks of access, quota and addresses, Anthropic of what its model was asked.
        var isClaude = VertexAddress.IsClaude(upstream.Uri);
        var fault = isClaude && GeminiErrors.IsForeign(body)
            ? AnthropicErrors.Read(status, headers, body, _time.GetUtcNow())
            : GeminiErrors.Read(status, headers, body, _time.GetUtcNow());
        if (isClaude) fault = _refused.Learn(fault, upstream);
        var isWorthAnother = status == 401
            ? _token?.Forget() is true
            : !isClaude && fault.Failure == UpstreamFailure.Rejected && _lessons.Learn(GeminiAddress.ModelOf(upstream.Uri), GeminiErrors.MessageOf(body), upstream.Body.Memory);
        return isWorthAnother ? fault with { TryAgain = true } : fault;
    }

    public void Dispose() => _token?.Dispose();

    /// <summary>A schema becomes a tool that must be called; a model that cannot be made to call takes it in Claude's own way.</summary>
    private static AnthropicForm FormOf(RouteModel model) => Claude with { FollowsSchemas = !ClaudeModel.Of(model.UpstreamModel, model.Facts).TakesForcedTools };
}
