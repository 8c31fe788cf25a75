using System.Collections.Concurrent;
using System.Net.Http.Headers;
using System.Text.Json;
using CrossModel.Configuration;
using CrossModel.Dialects.Anthropic;
using CrossModel.Protocol;

namespace CrossModel.Dialects.Bedrock;

/// <summary>Amazon Bedrock: Converse and ConverseStream; for Claude also InvokeModel with Anthropic's own format, where the upstream says so.</summary>
internal sealed class BedrockDialect : IDialect
{
    private const string EventStream = "application/vnd.amazon.eventstream";
    private const string BetaHeader = "anthropic-beta";
    private const string TierHeader = "x-amzn-bedrock-service-tier";
    private const string NoCallsInStreams = "This model doesn't support tool use in streaming mode";
    private const string NoTemperature = "This model doesn't support the temperature field";
    private const string NoTopP = "This model doesn't support the topP field";

    private static readonly AnthropicForm Invoked = new(NamesModel: false, NamesStream: false, BodyVersion: "bedrock-2023-05-31", ReadsLinks: false) { NamesCaller = false };

    private readonly ReasoningMemory _memory;
    private readonly ClaudeRefusals _refused = new();
    private readonly ConcurrentDictionary<string, Lesson> _lessons = new();
    private readonly BedrockCredentials _credentials;
    private readonly IReadOnlyDictionary<string, string> _headers;
    private readonly TimeProvider _time;
    private readonly string _root;
    private readonly bool _invokes;
    private readonly string[] _betas;

    /// <summary>What refusals have taught of one model.</summary>
    /// <param name="CallsPlainly">It takes no tools in a stream: with tools it is asked plainly, and the caller gets the stream all the same.</param>
    /// <param name="NoSampling">It takes no temperature and top_p.</param>
    private readonly record struct Lesson(bool CallsPlainly, bool NoSampling);

    /// <param name="credentials">Stands in for those that the configuration asks for; null: those.</param>
    public BedrockDialect(UpstreamConfig config, TimeProvider time, BedrockCredentials? credentials = null)
    {
        var region = config.Region ?? "us-east-1";
        var domain = region.StartsWith("cn-", StringComparison.Ordinal) ? "amazonaws.com.cn" : "amazonaws.com";
        _root = (config.BaseUrl ?? $"https://bedrock-runtime.{region}.{domain}").TrimEnd('/');
        _credentials = credentials ?? new BedrockCredentials(config, region, time);
        (_headers, _time, _memory) = (config.Headers, time, ReasoningMemory.Of(time));
        _invokes = config.Api == "invoke";
        _betas = [.. config.Headers.Where(IsBeta).SelectMany(h => h.Value.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))];
    }

    public bool TakesCandidates(ChatRequest request, RouteModel model) => false;

    public ApiError? Write(ChatRequest request, RouteModel model, WriteOptions options, UpstreamRequest upstream)
    {
        upstream.Stream = request.Stream;
        var isInvoked = IsInvoked(model);
        var refusal = isInvoked ? Invoke(request, model, options, upstream) : Converse(request, model, options, upstream);
        if (!isInvoked && UsesTools(request, upstream) && _lessons.GetValueOrDefault(model.UpstreamModel).CallsPlainly) upstream.Stream = false;
        var operation = (isInvoked, upstream.Stream) switch
        {
            (true, true) => "invoke-with-response-stream",
            (true, false) => "invoke",
            (false, true) => "converse-stream",
            (false, false) => "converse",
        };
        upstream.Uri = new Uri($"{_root}/model/{Uri.EscapeDataString(model.UpstreamModel)}/{operation}");
        if (upstream.Stream) upstream.Accept = EventStream;
        return refusal;
    }

    public ValueTask AuthorizeAsync(HttpRequestMessage message, UpstreamRequest upstream, CancellationToken cancellation) =>
        _credentials.AuthorizeAsync(message, upstream, cancellation);

    public ReplyReader OpenReply(ReplyContext context, RouteModel model) =>
        IsInvoked(model) ? new InvokeReply(context, _memory) : new ConverseReply(context, FamilyOf(model).IsClaude ? _memory : null);

    public UpstreamFault ReadFault(int status, HttpResponseHeaders headers, ReadOnlySpan<byte> body, UpstreamRequest upstream)
    {
        var fault = _refused.Learn(BedrockErrors.Read(status, headers, body, _time.GetUtcNow()), upstream);
        // In the first words: further on it may be the caller's that are quoted.
        bool Says(string words) => fault.Message?.StartsWith(words, StringComparison.OrdinalIgnoreCase) is true;
        var (callsPlainly, noSampling) = (upstream.Stream && Says(NoCallsInStreams), (Says(NoTemperature) || Says(NoTopP)) && Samples(upstream.Body.Memory));
        if (!callsPlainly && !noSampling) return fault;
        var model = Uri.UnescapeDataString(upstream.Uri.Segments[^2].TrimEnd('/'));
        _lessons.AddOrUpdate(model, _ => new Lesson(callsPlainly, noSampling), (_, known) => new Lesson(known.CallsPlainly || callsPlainly, known.NoSampling || noSampling));
        return fault with { TryAgain = true };
    }

    public void Dispose() { }

    private static bool Samples(ReadOnlyMemory<byte> sent)
    {
        // What is sent may be deeper than what the caller may send.
        using var json = JsonDocument.Parse(sent, new JsonDocumentOptions { MaxDepth = 1000 });
        return json.RootElement.TryGetProperty("inferenceConfig"u8, out var config) && (config.TryGetProperty("temperature"u8, out _) || config.TryGetProperty("topP"u8, out _));
    }

    private static bool UsesTools(ChatRequest request, UpstreamRequest upstream) =>
        (request.Features & (ChatFeatures.Tools | ChatFeatures.ToolHistory)) != 0 || upstream.ContentTool is not null;

    private ApiError? Converse(ChatRequest request, RouteModel model, WriteOptions options, UpstreamRequest upstream)
    {
        upstream.Headers.AddRange(_headers);
        return new BedrockRequest(FamilyOf(model), _memory, _refused, request, model, upstream).Write(options);
    }

    private ApiError? Invoke(ChatRequest request, RouteModel model, WriteOptions options, UpstreamRequest upstream)
    {
        // Betas are not read from a header here: they belong in the body.
        upstream.Headers.AddRange(_headers.Where(h => !IsBeta(h)));
        var form = Invoked with { FollowsSchemas = BedrockFamily.ClaudeOf(model).StructuredOutput, Betas = _betas };
        if (new AnthropicRequest(form, _memory, _refused, request, model with { UpstreamModel = BedrockFamily.ClaudeName(model) }, upstream)
            .Write(options) is { } refusal) return refusal;
        if (BedrockRequest.TierOf(request, upstream.Ignored) is { } tier) upstream.Headers.Add(new(TierHeader, tier));
        return null;
    }

    private static bool IsBeta(KeyValuePair<string, string> header) => header.Key.Equals(BetaHeader, StringComparison.OrdinalIgnoreCase);

    private bool IsInvoked(RouteModel model) => _invokes && FamilyOf(model).IsClaude;

    private BedrockFamily FamilyOf(RouteModel model)
    {
        var family = BedrockFamily.Of(model.UpstreamModel, model.Id);
        if (_lessons.GetValueOrDefault(model.UpstreamModel).NoSampling) family = family with { Samples = false };
        return family.IsClaude && !BedrockFamily.ClaudeOf(model).TakesForcedTools ? family with { Force = ToolForce.None } : family;
    }
}
