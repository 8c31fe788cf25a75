using System.Collections.Concurrent;
using System.Net.Http.Headers;
using System.Text.RegularExpressions;
using CrossModel.Configuration;
using CrossModel.Protocol;

namespace CrossModel.Dialects.OpenAI;

/// <summary>OpenAI's own format, spoken by OpenAI and by most other servers with small differences (see <see cref="Preset"/>).</summary>
internal sealed partial class OpenAIDialect : IDialect
{
    private readonly ConcurrentDictionary<string, Learned> _learned = new();
    private readonly KeyTurns _keys;
    private readonly IReadOnlyDictionary<string, string> _headers;
    private readonly Preset _preset;
    private readonly TimeProvider _time;
    private readonly ReasoningMemory _memory;
    private readonly Uri _address;
    private readonly Uri _modelList;

    /// <summary>What a server's refusals and replies have taught of one of its models.</summary>
    /// <param name="Cap">The spelling to use; null: the preset's.</param>
    /// <param name="Drops">Parameters that it does not know and that change taste only; null: none so far.</param>
    /// <param name="OneCandidate">It has given fewer replies than it was asked for.</param>
    /// <param name="NoReasoning">It does not take reasoning of earlier turns.</param>
    internal readonly record struct Learned(CapSpelling? Cap, bool NoStreamOptions, HashSet<string>? Drops, bool OneCandidate, bool NoReasoning);

    public OpenAIDialect(UpstreamConfig config, Preset? preset, TimeProvider time)
    {
        var root = new UriBuilder(config.BaseUrl ?? "https://api.openai.com/v1");
        var folder = root.Path.TrimEnd('/');
        root.Path = folder + "/chat/completions";
        _address = root.Uri;
        root.Path = folder + "/models";
        _modelList = root.Uri;
        _preset = preset ?? Presets.Choose(config.Preset, _address);
        _keys = KeyTurns.Of(config);
        _headers = config.Headers;
        (_time, _memory) = (time, ReasoningMemory.Of(time));
    }

    public UnknownParameters? UnknownParameters => _preset.Unknown;

    public bool WriteModelList(UpstreamRequest upstream)
    {
        upstream.Uri = _modelList;
        upstream.Headers.AddRange(_headers);
        return true;
    }

    public bool TakesCandidates(ChatRequest request, RouteModel model) => _preset.Candidates && !LearnedOf(model.UpstreamModel).OneCandidate;

    public ApiError? Write(ChatRequest request, RouteModel model, WriteOptions options, UpstreamRequest upstream)
    {
        upstream.Uri = _address;
        upstream.Stream = request.Stream;
        upstream.Headers.AddRange(_headers);
        var refusal = new OpenAIRequest(_preset, LearnedOf(model.UpstreamModel), SignaturesOf(options.Account), request, model, upstream).Write(options);
        if (_preset.ClosesStreams && upstream.Stream) upstream.Headers.Add(new("Connection", "close"));
        return refusal;
    }

    public ValueTask AuthorizeAsync(HttpRequestMessage message, UpstreamRequest upstream, CancellationToken cancellation)
    {
        if (!_keys.IsEmpty) message.Headers.Authorization = new AuthenticationHeaderValue("Bearer", _keys.Next());
        return default;
    }

    public ReplyReader OpenReply(ReplyContext context, RouteModel model) =>
        new OpenAIReply(context, _preset, context.Candidates > 1 ? NoteFewer(model.UpstreamModel) : null, SignaturesOf(context.Account));

    private CallSignatures? SignaturesOf(string account) => _preset.Unsigned is not null ? new CallSignatures(_memory, account) : null;

    private Action NoteFewer(string upstreamModel) => () => Note(upstreamModel, known => known with { OneCandidate = true });

    public UpstreamFault ReadFault(int status, HttpResponseHeaders headers, ReadOnlySpan<byte> body, UpstreamRequest upstream)
    {
        var fault = OpenAIErrors.Read(status, headers, body, _time.GetUtcNow(), _preset.RequestFaults, ModelOf(upstream));
        return fault.Failure == UpstreamFailure.Rejected && Learn(body, upstream) ? fault with { TryAgain = true } : fault;
    }

    public void Dispose() { }

    private Learned LearnedOf(string upstreamModel) => _learned.GetValueOrDefault(upstreamModel);

    /// <summary>
    /// A refusal that names the token cap, stream_options or a matter of taste teaches how this model wants to be asked. True: asking anew makes sense,
    /// also when a call beside this one has learned it meanwhile, since this one was written before. Not what the caller may have put into its mouth.
    /// </summary>
    internal bool Learn(ReadOnlySpan<byte> body, UpstreamRequest upstream)
    {
        var sent = upstream.Body.Span;
        if (ModelOf(upstream) is not { } model) return false;
        if (body.IndexOf("stream_options"u8) >= 0 && TopLevel.Has(sent, "stream_options"u8) && !CallersWords.Hold(sent, "stream_options"))
        {
            Note(model, known => known with { NoStreamOptions = true });
            return true;
        }
        if (Unknown(body, sent) is { } unknown && !CallersWords.Hold(sent, unknown))
        {
            Note(model, known => known.Drops?.Contains(unknown) is true ? known : known with { Drops = [.. known.Drops ?? [], unknown] });
            return true;
        }
        if (!_preset.RequiresReasoning(model) && RefusedReasoning(body) is { } thinking && MessageEdits.HaveReasoning(sent) && !CallersWords.Hold(sent, thinking, ours: int.MaxValue))
        {
            Note(model, known => known with { NoReasoning = true });
            return true;
        }
        var (refused, other) = TopLevel.Has(sent, "max_completion_tokens"u8) ? (CapSpelling.MaxCompletionTokens, CapSpelling.MaxTokens) : (CapSpelling.MaxTokens, CapSpelling.MaxCompletionTokens);
        var name = refused == CapSpelling.MaxTokens ? "max_tokens"u8 : "max_completion_tokens"u8;
        if (!TopLevel.Has(sent, name) || !Names(body, name) || CallersWords.Hold(sent, System.Text.Encoding.ASCII.GetString(name))) return false;
        // Turned once only: a server that refuses both spellings refuses the value.
        return Note(model, known => known with { Cap = known.Cap ?? other }).Cap == other;
    }

    private static string? ModelOf(UpstreamRequest upstream) => upstream.Body.Length == 0 ? null : TopLevel.String(upstream.Body.Span, "model"u8);

    private Learned Note(string model, Func<Learned, Learned> lesson) => _learned.AddOrUpdate(model, _ => lesson(default), (_, known) => lesson(known));

    /// <summary>A parameter that was sent, that the server says it does not know, and that the caller can do without; null: none such.</summary>
    private static string? Unknown(ReadOnlySpan<byte> body, ReadOnlySpan<byte> sent)
    {
        var said = Said().Match(System.Text.Encoding.UTF8.GetString(body));
        if (!said.Success) return null;
        // xAI spells names without underscores.
        var plain = said.Groups[1].Value.Replace("_", "", StringComparison.Ordinal);
        var name = Presets.Dispensable.FirstOrDefault(known => known.Replace("_", "", StringComparison.Ordinal).Equals(plain, StringComparison.OrdinalIgnoreCase));
        return name is not null && TopLevel.Has(sent, System.Text.Encoding.ASCII.GetBytes(name)) ? name : null;
    }

    /// <summary>Of what an assistant said of its thinking in an earlier turn, the member that the server does not know or this model does not take; null: none is named.</summary>
    private static string? RefusedReasoning(ReadOnlySpan<byte> body)
    {
        if (body.IndexOf("messages"u8) < 0) return null;
        foreach (var (said, member) in (ReadOnlySpan<(string, string)>)[("reasoning_content", "reasoning_content"), ("reasoning_details", "reasoning_details"),
            ("'reasoning'", "reasoning"), ("\"reasoning\"", "reasoning"), ("].reasoning`", "reasoning"), ("assistant.reasoning", "reasoning")])
        {
            if (Names(body, System.Text.Encoding.ASCII.GetBytes(said))) return member;
        }
        return null;
    }

    /// <summary>OpenAI and Azure; xAI, today and before.</summary>
    [GeneratedRegex("(?:nrecognized request argument supplied: |nsupported parameter: '|does not support parameter |rgument not supported on this model: )([A-Za-z_]+)", RegexOptions.CultureInvariant)]
    private static partial Regex Said();

    /// <summary>The refusal is about the parameter itself, not about its value: it says so by code, or calls it unknown or unsupported.</summary>
    private static bool Names(ReadOnlySpan<byte> body, ReadOnlySpan<byte> parameter)
    {
        if (body.IndexOf(parameter) < 0) return false;
        foreach (var word in (ReadOnlySpan<string>)["unsupported", "not supported", "unknown", "unrecognized", "unexpected", "not permitted", "extra_forbidden", "extra inputs", "additional properties"])
        {
            if (System.Text.Encoding.UTF8.GetString(body).Contains(word, StringComparison.OrdinalIgnoreCase)) return true;
        }
        return false;
    }
}
