using System.Collections.Concurrent;
using System.Net.Http.Headers;
using CrossModel.Configuration;
using CrossModel.Protocol;

namespace CrossModel.Dialects.OpenAI;

/// <summary>OpenAI's own format, spoken by OpenAI and by most other servers with small differences (see <see cref="Preset"/>).</summary>
internal sealed class OpenAIDialect : IDialect
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
    /// <param name="Drops">Parameters that it does not take and that change taste only; null: none so far.</param>
    /// <param name="DropsInThought">Those that it does not take where it is asked to think.</param>
    /// <param name="Efforts">The words for how much to think that it takes; null: those that are known of it.</param>
    internal readonly record struct Learned(CapSpelling? Cap, HashSet<string>? Drops, HashSet<string>? DropsInThought, Lesson Lessons, string[]? Efforts)
    {
        public bool Has(Lesson lesson) => (Lessons & lesson) != 0;
    }

    public OpenAIDialect(UpstreamConfig config, Preset? preset, TimeProvider time)
    {
        var root = new UriBuilder(config.BaseUrl ?? "https://api.openai.com/v1");
        var folder = root.Path.TrimEnd('/');
        root.Path = folder + "/chat/completions";
        _address = root.Uri;
        root.Path = folder + "/models";
        _modelList = root.Uri;
        _preset = preset ?? Presets.Choose(config.Preset, _address);
        _keys = KeyTurns.Of(config, time);
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

    public bool TakesCandidates(ChatRequest request, RouteModel model) => _preset.Candidates && !LearnedOf(model.UpstreamModel).Has(Lesson.OneCandidate);

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
        if (!_keys.IsEmpty) message.Headers.Authorization = new AuthenticationHeaderValue("Bearer", _keys.Next(message, upstream.Model));
        return default;
    }

    public ReplyReader OpenReply(ReplyContext context, RouteModel model) =>
        new OpenAIReply(context, _preset, context.Candidates > 1 ? NoteFewer(model.UpstreamModel) : null, SignaturesOf(context.Account));

    private CallSignatures? SignaturesOf(string account) => _preset.Unsigned is not null ? new CallSignatures(_memory, account) : null;

    private Action NoteFewer(string upstreamModel) => () => Note(upstreamModel, Lesson.OneCandidate);

    public UpstreamFault ReadFault(int status, HttpResponseHeaders headers, ReadOnlySpan<byte> body, UpstreamRequest upstream)
    {
        var fault = OpenAIErrors.Read(status, headers, body, _time.GetUtcNow(), _preset, ModelOf(upstream));
        return fault.Failure == UpstreamFailure.Rejected && Learn(body, upstream) ? fault with { TryAgain = true } : fault;
    }

    public void Dispose() { }

    private Learned LearnedOf(string upstreamModel) => _learned.GetValueOrDefault(upstreamModel);

    /// <summary>
    /// A refusal teaches how this model wants to be asked. True: asking anew makes sense, also when a call beside this one has learned it meanwhile,
    /// since this one was written before. Not what the caller may have put into its mouth.
    /// </summary>
    internal bool Learn(ReadOnlySpan<byte> body, UpstreamRequest upstream)
    {
        var sent = upstream.Body.Span;
        if (ModelOf(upstream) is not { } model) return false;
        if (body.IndexOf("stream_options"u8) >= 0 && TopLevel.Has(sent, "stream_options"u8) && !CallersWords.Hold(sent, "stream_options"))
            return Note(model, Lesson.NoStreamOptions);
        var said = Refusals.Said(body);
        if (Refusals.Dropped(said, sent) is { Count: > 0 } unwelcome)
        {
            // GPT-5.1 and its like take a temperature where they are not to think: who does not ask for it keeps his.
            var isInThought = Refusals.WasToThink(sent);
            var (inThought, ever) = (unwelcome.Where(IsInThought).ToList(), unwelcome.Where(name => !IsInThought(name)).ToList());
            Note(model, known => known with { Drops = [.. known.Drops ?? [], .. ever], DropsInThought = [.. known.DropsInThought ?? [], .. inThought] });
            return true;
            bool IsInThought(string name) => isInThought && name is "temperature" or "top_p";
        }
        if (Refusals.Efforts(said, sent) is { } efforts)
        {
            Note(model, known => known with { Efforts = efforts });
            return true;
        }
        if (Refusals.Of(said, upstream, EffortSpelling.None(_preset.Reasoning)) is var lesson and not Lesson.None) return Note(model, lesson);
        if (!_preset.RequiresReasoning(model) && Refusals.Reasoning(body) is { } thinking
            && MessageEdits.HaveReasoning(sent) && !CallersWords.Hold(sent, thinking, ours: int.MaxValue))
        {
            return Note(model, Lesson.NoReasoning);
        }
        var (refused, other) = TopLevel.Has(sent, "max_completion_tokens"u8)
            ? (CapSpelling.MaxCompletionTokens, CapSpelling.MaxTokens)
            : (CapSpelling.MaxTokens, CapSpelling.MaxCompletionTokens);
        var name = refused == CapSpelling.MaxTokens ? "max_tokens"u8 : "max_completion_tokens"u8;
        if (!TopLevel.Has(sent, name) || !Refusals.Names(body, name) || CallersWords.Hold(sent, System.Text.Encoding.ASCII.GetString(name))) return false;
        // Turned once only: a server that refuses both spellings refuses the value.
        return Note(model, known => known with { Cap = known.Cap ?? other }).Cap == other;
    }

    private static string? ModelOf(UpstreamRequest upstream) => upstream.Body.Length == 0 ? null : TopLevel.String(upstream.Body.Span, "model"u8);

    private Learned Note(string model, Func<Learned, Learned> lesson) => _learned.AddOrUpdate(model, _ => lesson(default), (_, known) => lesson(known));

    /// <summary>A name may have several servers behind it, of which one wants what another refuses: the last word counts.</summary>
    private bool Note(string model, Lesson lesson)
    {
        var undone = lesson switch { Lesson.WantsReasoning => Lesson.NoReasoning, Lesson.NoReasoning => Lesson.WantsReasoning, _ => Lesson.None };
        Note(model, known => known with { Lessons = (known.Lessons & ~undone) | lesson });
        return true;
    }
}
