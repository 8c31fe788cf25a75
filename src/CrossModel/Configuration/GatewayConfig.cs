namespace CrossModel.Configuration;

// Users read these comments: docs/configuration.md and crossmodel.schema.json are made from them. Each states unit, default and what null means.
// A property with a default and a comment is all that a new setting takes; UPDATE_GOLDEN=1 with the tests renews both files.

/// <summary>All of crossmodel.json: judged as a whole, in force as a whole.</summary>
internal sealed record GatewayConfig
{
    /// <summary>Addresses to listen on, separated by semicolons. Default loopback only.</summary>
    [NeedsRestart]
    public string Urls { get; init; } = "http://127.0.0.1:8080";

    /// <summary><c>sqlite:FILE</c> (relative to the configuration file) or <c>postgresql://user:password@host/db</c>.</summary>
    [NeedsRestart]
    public string Database { get; init; } = "sqlite:data/crossmodel.db";

    /// <summary>Provider endpoints where requests can go, by a name of your choice.</summary>
    public IReadOnlyDictionary<string, UpstreamConfig> Upstreams { get; init; } = new Dictionary<string, UpstreamConfig>();

    /// <summary>What callers can ask for, by public model id (<c>vendor/name</c>).</summary>
    public IReadOnlyDictionary<string, ModelConfig> Models { get; init; } = new Dictionary<string, ModelConfig>();

    /// <summary>Ceilings that keep the process alive and callers served.</summary>
    public LimitsConfig Limits { get; init; } = new();

    /// <summary>Tell callers which upstream answered. Default false: who resells does not show suppliers.</summary>
    public bool ExposeUpstream { get; init; }

    /// <summary>Time that running calls get to finish after SIGTERM. Default 30 s.</summary>
    [Bounds(0, 86_400_000)]
    public TimeSpan ShutdownTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>What happens to top-level parameters that nobody lists: reject (default), ignore or forward.</summary>
    public UnknownParameters UnknownParameters { get; init; } = UnknownParameters.Reject;

    /// <summary>Names of extra parameters that are let through to every model.</summary>
    public IReadOnlyList<string> Passthrough { get; init; } = [];

    /// <summary>Who may read /metrics, and where.</summary>
    public MetricsConfig Metrics { get; init; } = new();

    /// <summary>Told when an account's balance falls below a threshold; null: nobody is told.</summary>
    public AlertsConfig? Alerts { get; init; }

    /// <summary>Addresses or networks (CIDR) whose X-Forwarded-For is believed. Default none.</summary>
    public IReadOnlyList<string> TrustedProxies { get; init; } = [];

    /// <summary>How the database is written.</summary>
    public StorageConfig Storage { get; init; } = new();
}

internal enum UnknownParameters { Reject, Ignore, Forward }

/// <summary>Ceilings that keep the process alive and callers served.</summary>
internal sealed record LimitsConfig
{
    /// <summary>Largest request body in bytes. Default 32 MiB; a larger one is 413.</summary>
    [Bounds(1, int.MaxValue)]
    public long BodyBytes { get; init; } = 32 * 1024 * 1024;

    /// <summary>Bytes of bodies and replies held in memory at once, all calls together; over it 503. Null (default): a quarter of the memory the process may use beyond 64 MiB.</summary>
    [Bounds(1)]
    public long? BufferedBytes { get; init; }

    /// <summary>Calls in flight at once; over it 503. Null (default): by memory, one call per 128 KiB of a quarter of it. Connections are limited by memory and open files, whatever this says.</summary>
    [Bounds(1, int.MaxValue)]
    public int? CallsInFlight { get; init; }

    /// <summary>Largest n that is served by asking a one-candidate upstream n times. Default 8.</summary>
    [Bounds(1, 128)]
    public int FanOut { get; init; } = 8;

    /// <summary>Time in which a caller must have sent its headers. Default 30 s.</summary>
    [NeedsRestart]
    public TimeSpan RequestHeaders { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Silence towards the caller after which a <c>: keep-alive</c> comment goes out. Default 15 s.</summary>
    public TimeSpan KeepAlive { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>Time without an answer to "what changed?" from the database after which new calls are refused. Default 5 s.</summary>
    public TimeSpan StaleAfter { get; init; } = TimeSpan.FromSeconds(5);
}

/// <summary>Who may read /metrics, and where.</summary>
internal sealed record MetricsConfig
{
    /// <summary>Bearer token that /metrics asks for; null (default): loopback callers only.</summary>
    [Credential]
    public string? Token { get; init; }

    /// <summary>An address of its own for /metrics; null (default): the main one.</summary>
    [NeedsRestart]
    public string? Urls { get; init; }
}

/// <summary>Who is told when an account runs low.</summary>
internal sealed record AlertsConfig
{
    /// <summary>Receives a signed POST; null: a log line only.</summary>
    public string? Webhook { get; init; }

    /// <summary>Signs the webhook (HMAC-SHA256).</summary>
    [Credential]
    public string? Secret { get; init; }

    /// <summary>USD; the alert goes out once when an account's balance falls below it. Default 0: only a postpaid account's does.</summary>
    public decimal Below { get; init; }
}

/// <summary>How the database is written.</summary>
internal sealed record StorageConfig
{
    /// <summary>full (default): a charge survives a power cut. normal: it survives a killed process, but a power cut may lose the last ones (SQLite only).</summary>
    [NeedsRestart]
    [OneOf("full", "normal")]
    public string Synchronous { get; init; } = "full";
}

/// <summary>One provider endpoint and how to speak to it.</summary>
internal sealed record UpstreamConfig
{
    /// <summary>openai, azure, anthropic, gemini, vertex, bedrock or simulated.</summary>
    public string Dialect { get; init; } = "openai";

    /// <summary>The address without the operation; docs/configuration.md has each dialect's form. Null: the dialect's public address.</summary>
    public string? BaseUrl { get; init; }

    /// <summary>The credential, as <c>${ENV}</c> or <c>${file:…}</c>; null: none is sent.</summary>
    [Credential]
    public string? ApiKey { get; init; }

    /// <summary>Several keys, used in turn; one that the provider refuses or holds back rests while another is good.</summary>
    [Credential]
    public IReadOnlyList<string> ApiKeys { get; init; } = [];

    /// <summary>A known server's quirks by name; null: chosen by base URL, else treated as OpenAI itself.</summary>
    public string? Preset { get; init; }

    /// <summary>How long to wait for this upstream.</summary>
    public TimeoutsConfig Timeouts { get; init; } = new();

    /// <summary>Calls at once to this upstream, counted by each node for itself; null (default): no limit.</summary>
    [Bounds(1, int.MaxValue)]
    public int? MaxParallel { get; init; }

    /// <summary>Overrides the preset's and the gateway's setting; null: theirs.</summary>
    public UnknownParameters? UnknownParameters { get; init; }

    /// <summary>Headers sent with every request to this upstream.</summary>
    public IReadOnlyDictionary<string, string> Headers { get; init; } = new Dictionary<string, string>();

    /// <summary>Files that callers name by address and that this provider does not fetch by itself: http:// and https:// ones are fetched by the gateway, from public addresses only (docs/operations.md has the limits), and sent inline; Vertex AI may read gs:// ones, Bedrock s3:// ones, with the rights of this upstream's credential. Default false: they are refused.</summary>
    public bool FetchRemote { get; init; }

    /// <summary>Vertex: the Google Cloud project's id.</summary>
    public string? Project { get; init; }
    /// <summary>Vertex: the region, e.g. <c>europe-west1</c>, or <c>global</c>.</summary>
    public string? Location { get; init; }
    /// <summary>Vertex: path of a service account file (relative to the configuration file); null: the machine's default credentials.</summary>
    [FilePath]
    public string? ServiceAccount { get; init; }

    /// <summary>Bedrock: converse (default), or invoke, which asks Claude in Anthropic's own format through InvokeModel; other models are asked through Converse all the same.</summary>
    [OneOf("converse", "invoke")]
    public string? Api { get; init; }
    /// <summary>Bedrock: the AWS region, e.g. <c>eu-central-1</c>.</summary>
    public string? Region { get; init; }
    /// <summary>Bedrock: the access key's id; null: <c>apiKey</c> is a bearer key.</summary>
    [Credential]
    public string? AccessKeyId { get; init; }
    /// <summary>Bedrock: the access key's secret.</summary>
    [Credential]
    public string? SecretAccessKey { get; init; }
    /// <summary>Bedrock: the token of temporary credentials; null: they are lasting ones.</summary>
    [Credential]
    public string? SessionToken { get; init; }

    /// <summary>Azure: the <c>api-version</c> of a classic endpoint, or <c>preview</c>; null: the base URL ends in <c>/openai/v1</c>.</summary>
    public string? ApiVersion { get; init; }
    /// <summary>Azure: the Entra ID tenant; null: <c>apiKey</c> is used.</summary>
    public string? TenantId { get; init; }
    /// <summary>Azure: the Entra ID application's id.</summary>
    public string? ClientId { get; init; }
    /// <summary>Azure: the Entra ID application's secret.</summary>
    [Credential]
    public string? ClientSecret { get; init; }
}

/// <summary>How long to wait for an upstream.</summary>
internal sealed record TimeoutsConfig
{
    /// <summary>To have a connection, TLS included. Default 10 s.</summary>
    public TimeSpan Connect { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>From the request sent to the first byte of a streamed reply. Default 100 s. Plain replies and reasoning models get <c>plain</c>.</summary>
    public TimeSpan FirstByte { get; init; } = TimeSpan.FromSeconds(100);

    /// <summary>As firstByte, for plain calls and reasoning models: nothing comes until all is thought. Default 10 min.</summary>
    public TimeSpan Plain { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>Longest silence between two reads of a reply. Default 100 s. Any byte resets it, comments too. Reasoning models get <c>plain</c> where that is longer.</summary>
    public TimeSpan Idle { get; init; } = TimeSpan.FromSeconds(100);

    /// <summary>The whole call. Default 20 min.</summary>
    public TimeSpan Total { get; init; } = TimeSpan.FromMinutes(20);
}

/// <summary>One public model: who serves it and what it costs.</summary>
internal sealed record ModelConfig
{
    /// <summary>Tried in order, unless priority and weight say otherwise.</summary>
    public IReadOnlyList<RouteConfig> Routes { get; init; } = [];

    /// <summary>What callers pay; null: the model is off until it is stated.</summary>
    public PriceConfig? Price { get; init; }

    /// <summary>Shown in /v1/models; null: the catalogue's.</summary>
    public string? Name { get; init; }
    /// <summary>Shown in /v1/models; null: the catalogue's.</summary>
    public string? Description { get; init; }

    /// <summary>Longest reply in tokens; null: the catalogue's, else unknown.</summary>
    [Bounds(1)]
    public long? MaxOutputTokens { get; init; }
    /// <summary>Prompt and reply together, in tokens; null: the catalogue's, else unknown.</summary>
    [Bounds(1)]
    public long? ContextWindow { get; init; }

    /// <summary>What the model reads: text, image, audio, video, pdf; null: the catalogue's.</summary>
    [OneOf("text", "image", "audio", "video", "pdf")]
    public IReadOnlyList<string>? InputModalities { get; init; }
    /// <summary>What the model answers with; null: the catalogue's.</summary>
    [OneOf("text", "image", "audio", "video", "pdf")]
    public IReadOnlyList<string>? OutputModalities { get; init; }

    /// <summary>The model calls tools; null: the catalogue's, else unknown and tried.</summary>
    public bool? Tools { get; init; }
    /// <summary>The model follows a JSON schema; null: the catalogue's, else unknown and tried.</summary>
    public bool? StructuredOutput { get; init; }
    /// <summary>The model thinks before it answers; null: the catalogue's, else unknown and tried.</summary>
    public bool? Reasoning { get; init; }
    /// <summary>The model accepts temperature and top_p; null: the catalogue's, else unknown and tried.</summary>
    public bool? Temperature { get; init; }
    /// <summary>reasoning_effort values the model accepts; null: the catalogue's.</summary>
    public IReadOnlyList<string>? ReasoningEfforts { get; init; }

    /// <summary>Null: the upstream's, else the gateway's.</summary>
    public UnknownParameters? UnknownParameters { get; init; }
    /// <summary>Extra parameters let through to this model.</summary>
    public IReadOnlyList<string> Passthrough { get; init; } = [];

    /// <summary>End a stream with finish_reason "length" when the balance is exhausted in it. Default false: it goes on, the rest is recorded as uncovered.</summary>
    public bool StopAtBalance { get; init; }

    /// <summary>Hold estimates where a size is unknown; null: 2,000 an image, 300 a page, 50 a second of audio, 20,000 a video.</summary>
    public MediaTokensConfig? MediaTokens { get; init; }

    /// <summary>What each account may take of this model, beside its own and its keys' limits; null: no limits.</summary>
    public ModelLimitsConfig? Limits { get; init; }
}

/// <summary>What each account may take of one model. They hold for every account by itself and alike; docs/limits.md has the rules.</summary>
internal sealed record ModelLimitsConfig
{
    /// <summary>Requests in any 60 seconds; null: no limit.</summary>
    [Bounds(1)]
    public long? Rpm { get; init; }
    /// <summary>Tokens, prompt and completion, in any 60 seconds; null: no limit.</summary>
    [Bounds(1)]
    public long? Tpm { get; init; }
    /// <summary>Calls at once, streams to their end; null: no limit.</summary>
    [Bounds(1, int.MaxValue)]
    public int? Parallel { get; init; }
    /// <summary>USD charged in a UTC calendar day; null: no limit.</summary>
    public decimal? SpendDay { get; init; }
    /// <summary>USD charged in a UTC calendar month; null: no limit.</summary>
    public decimal? SpendMonth { get; init; }
    /// <summary>USD charged in all since the model has a spend limit; null: no limit.</summary>
    public decimal? SpendTotal { get; init; }
}

/// <summary>Tokens held for media of unknown size.</summary>
internal sealed record MediaTokensConfig
{
    // A hold multiplies them by how many a request has: beyond this the product may be no number any more.
    private const double Most = 100_000_000;

    /// <summary>An image. Default 2,000.</summary>
    [Bounds(0, Most)]
    public long Image { get; init; } = 2000;
    /// <summary>A page of a PDF; a page is reckoned as 3 kB. Default 300.</summary>
    [Bounds(0, Most)]
    public long Page { get; init; } = 300;
    /// <summary>A second of audio. Default 50.</summary>
    [Bounds(0, Most)]
    public long AudioSecond { get; init; } = 50;
    /// <summary>A video. Default 20,000.</summary>
    [Bounds(0, Most)]
    public long Video { get; init; } = 20000;
}

/// <summary>One way to serve a model.</summary>
internal sealed record RouteConfig
{
    /// <summary>A name in <c>upstreams</c>.</summary>
    public string Upstream { get; init; } = "";
    /// <summary>The model's name there; null: the public id's part after the first slash.</summary>
    public string? Model { get; init; }
    /// <summary>Lower is tried first. Default: the position in the list.</summary>
    [Bounds(int.MinValue, int.MaxValue)]
    public int? Priority { get; init; }
    /// <summary>Share of the traffic among routes of equal priority. Default 1.</summary>
    public double Weight { get; init; } = 1;
    /// <summary>Calls at once on this route, counted by each node for itself; null: no limit.</summary>
    [Bounds(1, int.MaxValue)]
    public int? MaxParallel { get; init; }
    /// <summary>What the operator pays; null: unknown.</summary>
    public PriceConfig? Cost { get; init; }
}

/// <summary>A price: "free", one price object, or a list of versions.</summary>
internal sealed record PriceConfig
{
    public bool IsFree { get; init; }
    /// <summary>In the file's order; a single object is one version without From. Empty when free.</summary>
    public IReadOnlyList<PriceVersionConfig> Versions { get; init; } = [];
}

/// <summary>USD per million tokens unless said otherwise; at most 9 decimal places.</summary>
internal sealed record PriceVersionConfig
{
    /// <summary>From when it holds; null: always has.</summary>
    public DateTimeOffset? From { get; init; }
    /// <summary>Tokens of the prompt. Must be stated; 0 is a price.</summary>
    public decimal? Input { get; init; }
    /// <summary>Tokens of the prompt that the provider had in its cache; null: input's.</summary>
    public decimal? CachedInput { get; init; }
    /// <summary>Tokens of the prompt written into the provider's cache; null: input's.</summary>
    public decimal? CacheWrite { get; init; }
    /// <summary>Tokens of the prompt written into the provider's cache for an hour; null: cacheWrite's.</summary>
    public decimal? CacheWriteHour { get; init; }
    /// <summary>Tokens of sound in the prompt, neither from the cache nor written to it; null: input's.</summary>
    public decimal? AudioInput { get; init; }
    /// <summary>Tokens of the reply. Must be stated; 0 is a price.</summary>
    public decimal? Output { get; init; }
    /// <summary>Tokens of the reply spent on reasoning; null: output's.</summary>
    public decimal? Reasoning { get; init; }
    /// <summary>Tokens of sound in the reply; null: output's.</summary>
    public decimal? AudioOutput { get; init; }
    /// <summary>USD a request; null: nothing.</summary>
    public decimal? Request { get; init; }
    /// <summary>USD an image in the prompt; null: nothing.</summary>
    public decimal? Image { get; init; }
    /// <summary>USD a second of audio in the prompt; null: nothing.</summary>
    public decimal? AudioSecond { get; init; }
    /// <summary>Other prices for large prompts; of several the highest exceeded one applies.</summary>
    public IReadOnlyList<PriceTierConfig> Tiers { get; init; } = [];
}

/// <summary>Prices for the whole request when its prompt is larger than <c>above</c> tokens; what is null stays as in the version.</summary>
internal sealed record PriceTierConfig
{
    /// <summary>Prompt tokens; the tier applies from one more on.</summary>
    public long Above { get; init; }
    /// <summary>Null: the version's input.</summary>
    public decimal? Input { get; init; }
    /// <summary>Null: the version's cachedInput.</summary>
    public decimal? CachedInput { get; init; }
    /// <summary>Null: the version's cacheWrite.</summary>
    public decimal? CacheWrite { get; init; }
    /// <summary>Null: the version's cacheWriteHour.</summary>
    public decimal? CacheWriteHour { get; init; }
    /// <summary>Null: the version's audioInput.</summary>
    public decimal? AudioInput { get; init; }
    /// <summary>Null: the version's output.</summary>
    public decimal? Output { get; init; }
    /// <summary>Null: the version's reasoning.</summary>
    public decimal? Reasoning { get; init; }
    /// <summary>Null: the version's audioOutput.</summary>
    public decimal? AudioOutput { get; init; }
}
