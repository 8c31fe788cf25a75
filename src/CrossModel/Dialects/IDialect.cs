using CrossModel.Configuration;
using CrossModel.Protocol;

namespace CrossModel.Dialects;

/// <summary>
/// How one upstream is spoken to. One instance an upstream: it holds the upstream's credentials, its preset and what was learned from it.
/// Everything but <see cref="AuthorizeAsync"/> is pure computation over bytes: no I/O, no waiting.
/// </summary>
internal interface IDialect : IDisposable
{
    /// <summary>What this server's documented extras ask to be done with unknown parameters, where neither model nor upstream says so; null: the gateway's setting.</summary>
    UnknownParameters? UnknownParameters => null;

    /// <summary>
    /// Writes address and headers of the GET that costs nothing and shows whether the server is there and takes the credentials: its list of models.
    /// False: there is none, and only the base URL can be tried, without credentials.
    /// </summary>
    bool WriteModelList(UpstreamRequest upstream) => false;

    /// <summary>
    /// True if the upstream is sure to give all candidates of this request in one call: money is then held for one reading of the prompt.
    /// False: it may have to be asked for each by itself, whatever <see cref="Write"/> tries first.
    /// </summary>
    bool TakesCandidates(ChatRequest request, RouteModel model);

    /// <summary>
    /// Writes address, headers and body for this request, and names in <see cref="UpstreamRequest.Ignored"/> what was dropped or lowered.
    /// Answers a refusal (400) when something that matters cannot be expressed; nothing is sent then.
    /// Called again with the same request for a retry: it must not change the request. A file that this upstream does not fetch by itself is noted in
    /// <see cref="UpstreamRequest.Remote"/>; the request is then written again once it holds the data.
    /// </summary>
    ApiError? Write(ChatRequest request, RouteModel model, WriteOptions options, UpstreamRequest upstream);

    /// <summary>Adds credentials to a message about to be sent. May wait for a token; signs exactly the bytes in <paramref name="upstream"/>.</summary>
    ValueTask AuthorizeAsync(HttpRequestMessage message, UpstreamRequest upstream, CancellationToken cancellation);

    /// <summary>A reader for one reply of this upstream.</summary>
    ReplyReader OpenReply(ReplyContext context, RouteModel model);

    /// <summary>Reads a reply whose status is not 2xx. Learns from it too (e.g. which spelling of the token cap the server takes): then TryAgain is set.</summary>
    UpstreamFault ReadFault(int status, System.Net.Http.Headers.HttpResponseHeaders headers, ReadOnlySpan<byte> body, UpstreamRequest upstream);
}

/// <summary>The model as one route serves it.</summary>
/// <param name="Id">The public id that was asked for.</param>
/// <param name="UpstreamModel">Its name at the upstream.</param>
internal sealed record RouteModel(string Id, string UpstreamModel, ModelFacts Facts)
{
    /// <summary>What happens to unknown top-level parameters here, after model, upstream preset and gateway settings; rejecting is done before Write.</summary>
    public UnknownParameters UnknownParameters { get; init; }

    /// <summary>Unknown parameters that are forwarded whatever the setting above.</summary>
    public IReadOnlySet<string> Passthrough { get; init; } = new HashSet<string>();

    /// <summary>An unknown parameter of that name goes on to the server.</summary>
    public bool Forwards(string name) => UnknownParameters == UnknownParameters.Forward || Passthrough.Contains(name);
}

/// <param name="CapOutputTokens">A cap the caller did not give but can only afford; null: none to add.</param>
/// <param name="Account">The caller's account: memories of opaque reasoning state never mix between accounts.</param>
/// <param name="Candidate">The number of this request among n that are sent side by side: added to a seed, since one seed n times would give one reply n times.</param>
internal readonly record struct WriteOptions(long? CapOutputTokens, string Account, int Candidate = 0);

/// <summary>One request to an upstream, ready to be sent. Owns pooled bytes.</summary>
internal sealed class UpstreamRequest : IDisposable
{
    private RemoteLinks? _remote;
    // How many send the body just now; far below 0 once it is gone.
    private int _sending;

    public Uri Uri { get; set; } = null!;

    /// <summary>The model's name there; empty where none is asked.</summary>
    public string Model { get; set; } = "";

    /// <summary>The body, JSON. Empty until written.</summary>
    public PooledBuffer Body { get; } = new();

    /// <summary>Headers of the dialect itself (version, beta); not credentials.</summary>
    public List<KeyValuePair<string, string>> Headers { get; } = [];

    /// <summary>What was dropped, or lowered as <c>temperature=1</c>; shown in x-crossmodel-ignored.</summary>
    public List<string> Ignored { get; } = [];

    /// <summary>What must be fetched first: unless it is empty the body holds addresses where data must be, and is never sent.</summary>
    public RemoteLinks Remote => _remote ??= new();

    /// <summary>It cannot be sent before files are fetched.</summary>
    public bool WantsFiles => _remote is { IsEmpty: false };

    /// <summary>What the upstream is asked for; may differ from what the caller asked for (a plain reply can be collected from a stream).</summary>
    public bool Stream { get; set; }

    /// <summary>How many candidates this one request asks for: all that the caller wants, or 1, and it is sent once for each, side by side.</summary>
    public int Candidates { get; set; } = 1;

    /// <summary>It holds a seed: each of several side by side is written anew, with its own.</summary>
    public bool HasSeed { get; set; }

    /// <summary>Null: application/json, or text/event-stream when streaming.</summary>
    public string? Accept { get; set; }

    /// <summary>A tool that the model is made to call because it cannot follow a schema otherwise: its input is the reply's content. Null: none.</summary>
    public string? ContentTool { get; set; }

    /// <summary>The functions that the model may call, where its dialect must tell a real call from an invented one; null: none, or not needed.</summary>
    public IReadOnlySet<string>? ToolNames { get; set; }

    /// <summary>The caller's names of functions by those that were sent in their place; null: all went out as they are.</summary>
    public IReadOnlyDictionary<string, string>? ToolAliases { get; set; }

    /// <summary>False: the body is gone, and must not be read. Else <see cref="EndSending"/> follows.</summary>
    public bool BeginSending() => Interlocked.Increment(ref _sending) > 0;

    public void EndSending() => Interlocked.Decrement(ref _sending);

    /// <summary>The body will not be sent again. One that is still being sent is not given to the next call: its bytes would go to this call's upstream.</summary>
    public void ReleaseBody()
    {
        switch (Interlocked.Exchange(ref _sending, int.MinValue / 2))
        {
            case 0: Body.Dispose(); break;
            case > 0: Body.Abandon(); break;
        }
    }

    public void Dispose() => ReleaseBody();
}

/// <summary>Whose reply it is: the identity that callers see is ours.</summary>
/// <param name="Id"><c>chatcmpl_</c> + 24 base62, the same in every chunk.</param>
/// <param name="Created">Unix seconds.</param>
/// <param name="Model">The public id.</param>
/// <param name="Stream">What the caller asked for.</param>
/// <param name="IncludeUsage">The caller asked for the usage chunk.</param>
/// <param name="ChoiceOffset">Added to every choice index: the number of this call among n side by side.</param>
/// <param name="Account">For memories of opaque reasoning state.</param>
internal sealed record ReplyContext(string Id, long Created, string Model, bool Stream, bool IncludeUsage, int ChoiceOffset, string Account)
{
    /// <summary><see cref="UpstreamRequest.Candidates"/> of the request that is answered.</summary>
    public int Candidates { get; init; } = 1;

    /// <summary><see cref="UpstreamRequest.ContentTool"/> of the request that is answered.</summary>
    public string? ContentTool { get; init; }

    /// <summary><see cref="UpstreamRequest.ToolNames"/> of the request that is answered.</summary>
    public IReadOnlySet<string>? ToolNames { get; init; }

    /// <summary><see cref="UpstreamRequest.ToolAliases"/> of the request that is answered.</summary>
    public IReadOnlyDictionary<string, string>? ToolAliases { get; init; }
}
