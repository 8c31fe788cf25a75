using System.Net.Http.Headers;
using CrossModel.Configuration;
using CrossModel.Dialects.OpenAI;
using CrossModel.Protocol;

namespace CrossModel.Dialects.Azure;

/// <summary>
/// Azure OpenAI (Microsoft Foundry): OpenAI's format behind addresses, credentials and errors of its own, with content filter results on
/// everything, which callers do not get.
/// </summary>
internal sealed class AzureDialect : IDialect
{
    private readonly AzureAddress _address;
    private readonly OpenAIDialect _openAI;
    private readonly EntraToken? _token;
    private readonly KeyTurns _keys;
    private readonly TimeProvider _time;

    /// <param name="token">Stands in for the one that the configuration asks for; null: that one.</param>
    public AzureDialect(UpstreamConfig config, TimeProvider time, EntraToken? token = null)
    {
        _address = new AzureAddress(config);
        _openAI = new OpenAIDialect(config, PresetOf(_address), time);
        _keys = KeyTurns.Of(config, time);
        _token = token ?? (_keys.IsEmpty ? EntraToken.Of(config, _address, time) : null);
        _time = time;
    }

    public bool TakesCandidates(ChatRequest request, RouteModel model) => _openAI.TakesCandidates(request, model);

    public ApiError? Write(ChatRequest request, RouteModel model, WriteOptions options, UpstreamRequest upstream)
    {
        if (request.Features.HasFlag(ChatFeatures.FileIds))
            return ApiErrors.UnsupportedParameter("messages", "Files by file_id are unknown to this model's provider. Send the file inline as file_data, or choose another model.");
        if (_openAI.Write(request, model, options, upstream) is { } refusal) return refusal;
        upstream.Uri = _address.Of(model.UpstreamModel);
        return null;
    }

    public async ValueTask AuthorizeAsync(HttpRequestMessage message, UpstreamRequest upstream, CancellationToken cancellation)
    {
        if (_token is not null) message.Headers.Authorization = new AuthenticationHeaderValue("Bearer", await _token.GetAsync(cancellation));
        else message.Headers.TryAddWithoutValidation("api-key", _keys.Next(message, upstream.Model));
    }

    public ReplyReader OpenReply(ReplyContext context, RouteModel model) => _openAI.OpenReply(context, model);

    public UpstreamFault ReadFault(int status, HttpResponseHeaders headers, ReadOnlySpan<byte> body, UpstreamRequest upstream)
    {
        var deployment = upstream.Body.Length == 0 ? null : TopLevel.String(upstream.Body.Span, "model"u8);
        var fault = AzureErrors.Read(status, headers, body, _time.GetUtcNow(), deployment);
        return fault.Failure == UpstreamFailure.Rejected && _openAI.Learn(body, upstream) ? fault with { TryAgain = true } : fault;
    }

    public void Dispose()
    {
        _openAI.Dispose();
        _token?.Dispose();
    }

    private static Preset PresetOf(AzureAddress address) => new()
    {
        Name = "azure",
        Cap = address.Style == AzureStyle.Models || address.IsOld ? CapSpelling.MaxTokens : CapSpelling.MaxCompletionTokens,
        StreamOptions = !address.IsOld,
        User = UserSpelling.AsSent,
        DeveloperRole = address.Style != AzureStyle.Models,
        Candidates = true,
        Nulls = true,
        FilterResults = true,
    };
}
