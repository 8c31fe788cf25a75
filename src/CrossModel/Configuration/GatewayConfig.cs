namespace CrossModel.Configuration;

/// <summary>The whole of crossmodel.json: immutable, judged as a whole, swapped as a whole. Every property's comment states unit, default and what null means.</summary>
internal sealed record GatewayConfig
{
    /// <summary>Addresses to listen on, separated by semicolons. Default loopback only. A change needs a restart.</summary>
    public string Urls { get; init; } = "http://127.0.0.1:8080";

    /// <summary><c>sqlite:FILE</c> (relative to the configuration file) or <c>postgresql://user:password@host/db</c>. A change needs a restart.</summary>
    public string Database { get; init; } = "sqlite:data/crossmodel.db";

    /// <summary>Where requests can go, by name.</summary>
    public IReadOnlyDictionary<string, UpstreamConfig> Upstreams { get; init; } = new Dictionary<string, UpstreamConfig>();

    /// <summary>What callers can ask for, by public model id (<c>vendor/name</c>).</summary>
    public IReadOnlyDictionary<string, ModelConfig> Models { get; init; } = new Dictionary<string, ModelConfig>();

    public LimitsConfig Limits { get; init; } = new();

    /// <summary>Tell callers which upstream answered. Default false: who resells does not show suppliers.</summary>
    public bool ExposeUpstream { get; init; }

    /// <summary>Time that running calls get to finish after SIGTERM. Default 30 s.</summary>
    public TimeSpan ShutdownTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>What happens to top-level parameters that nobody lists: reject (default), ignore or forward.</summary>
    public UnknownParameters UnknownParameters { get; init; } = UnknownParameters.Reject;

    /// <summary>Names of extra parameters that are let through to every model.</summary>
    public IReadOnlyList<string> Passthrough { get; init; } = [];

    public MetricsConfig Metrics { get; init; } = new();

    /// <summary>Told when an account's balance falls below a threshold; null: nobody is told.</summary>
    public AlertsConfig? Alerts { get; init; }

    /// <summary>Addresses or networks (CIDR) whose X-Forwarded-For is believed. Default none.</summary>
    public IReadOnlyList<string> TrustedProxies { get; init; } = [];

    public StorageConfig Storage { get; init; } = new();
}

internal enum UnknownParameters { Reject, Ignore, Forward }

internal sealed record LimitsConfig
{
    /// <summary>Largest request body in bytes. Default 32 MiB; a larger one is 413.</summary>
    public long BodyBytes { get; init; } = 32 * 1024 * 1024;

    /// <summary>Bytes of bodies and replies held in memory at once, all calls together; over it 503. Null (default): a quarter of the memory the process may use.</summary>
    public long? BufferedBytes { get; init; }

    /// <summary>Calls in flight at once; over it 503. Null (default): by memory, one call per 128 KiB of a quarter of it.</summary>
    public int? CallsInFlight { get; init; }

    /// <summary>Largest n that is served by asking a one-candidate upstream n times. Default 8.</summary>
    public int FanOut { get; init; } = 8;

    /// <summary>Time in which a caller must have sent its headers. Default 30 s.</summary>
    public TimeSpan RequestHeaders { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Silence towards the caller after which a <c>: keep-alive</c> comment goes out. Default 15 s.</summary>
    public TimeSpan KeepAlive { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>Time without an answer to "what changed?" from the database after which new calls are refused. Default 5 s.</summary>
    public TimeSpan StaleAfter { get; init; } = TimeSpan.FromSeconds(5);
}

internal sealed record MetricsConfig
{
    /// <summary>Bearer token that /metrics asks for; null (default): loopback callers only.</summary>
    public string? Token { get; init; }

    /// <summary>An address of its own for /metrics; null (default): the main one.</summary>
    public string? Urls { get; init; }
}

internal sealed record AlertsConfig
{
    /// <summary>Receives a signed POST; null: a log line only.</summary>
    public string? Webhook { get; init; }

    /// <summary>Signs the webhook (HMAC-SHA256).</summary>
    public string? Secret { get; init; }

    /// <summary>USD; the alert goes out once when an account's balance falls below it.</summary>
    public decimal Below { get; init; }
}

internal sealed record StorageConfig
{
    /// <summary>full (default): a charge survives a power cut. normal: it survives a killed process, but a power cut may lose the last ones (SQLite only).</summary>
    public string Synchronous { get; init; } = "full";
}

/// <summary>One provider endpoint and how to speak to it.</summary>
internal sealed record UpstreamConfig
{
    /// <summary>openai, azure, anthropic, gemini, vertex, bedrock or simulated.</summary>
    public string Dialect { get; init; } = "openai";

    /// <summary>See docs/configuration.md for each dialect's form. Null: the dialect's public address.</summary>
    public string? BaseUrl { get; init; }

    public string? ApiKey { get; init; }

    /// <summary>Several keys, used in turn.</summary>
    public IReadOnlyList<string> ApiKeys { get; init; } = [];

    /// <summary>A known server's quirks by name; null: chosen by base URL, else treated as OpenAI itself.</summary>
    public string? Preset { get; init; }

    public TimeoutsConfig Timeouts { get; init; } = new();

    /// <summary>Calls at once to this upstream; null (default): no limit.</summary>
    public int? MaxParallel { get; init; }

    /// <summary>Overrides the preset's and the gateway's setting; null: theirs.</summary>
    public UnknownParameters? UnknownParameters { get; init; }

    /// <summary>Headers sent with every request to this upstream.</summary>
    public IReadOnlyDictionary<string, string> Headers { get; init; } = new Dictionary<string, string>();

    /// <summary>The upstream may name this server's own files or answers on private addresses: remote files are fetched by the gateway. Default false.</summary>
    public bool FetchRemote { get; init; }

    // vertex
    public string? Project { get; init; }
    public string? Location { get; init; }
    /// <summary>Path of a service account file; null: the machine's default credentials.</summary>
    public string? ServiceAccount { get; init; }

    // bedrock
    public string? Region { get; init; }
    public string? AccessKeyId { get; init; }
    public string? SecretAccessKey { get; init; }
    public string? SessionToken { get; init; }

    // azure
    public string? ApiVersion { get; init; }
    public string? TenantId { get; init; }
    public string? ClientId { get; init; }
    public string? ClientSecret { get; init; }
}

internal sealed record TimeoutsConfig
{
    /// <summary>To have a connection, TLS included. Default 10 s.</summary>
    public TimeSpan Connect { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>From the request sent to the first byte of a streamed reply. Default 100 s. Plain replies and reasoning models get <see cref="Plain"/>.</summary>
    public TimeSpan FirstByte { get; init; } = TimeSpan.FromSeconds(100);

    /// <summary>As FirstByte, for plain calls and reasoning models: nothing comes until all is thought. Default 10 min.</summary>
    public TimeSpan Plain { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>Longest silence between two reads of a reply. Default 100 s. Any byte resets it, comments too.</summary>
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
    public string? Description { get; init; }

    /// <summary>Tokens; null: the catalogue's, else unknown.</summary>
    public long? MaxOutputTokens { get; init; }
    /// <summary>Tokens; null: the catalogue's, else unknown.</summary>
    public long? ContextWindow { get; init; }

    /// <summary>text, image, audio, video, pdf; null: the catalogue's.</summary>
    public IReadOnlyList<string>? InputModalities { get; init; }
    public IReadOnlyList<string>? OutputModalities { get; init; }

    /// <summary>Abilities; null: the catalogue's, else unknown and tried.</summary>
    public bool? Tools { get; init; }
    public bool? StructuredOutput { get; init; }
    public bool? Reasoning { get; init; }
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
}

/// <summary>Tokens held for media of unknown size.</summary>
internal sealed record MediaTokensConfig
{
    public long Image { get; init; } = 2000;
    public long Page { get; init; } = 300;
    public long AudioSecond { get; init; } = 50;
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
    public int? Priority { get; init; }
    /// <summary>Share of the traffic among routes of equal priority. Default 1.</summary>
    public double Weight { get; init; } = 1;
    /// <summary>Calls at once on this route; null: no limit.</summary>
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
    public decimal? Input { get; init; }
    /// <summary>Null: input's.</summary>
    public decimal? CachedInput { get; init; }
    /// <summary>Null: input's.</summary>
    public decimal? CacheWrite { get; init; }
    public decimal? Output { get; init; }
    /// <summary>Null: output's.</summary>
    public decimal? Reasoning { get; init; }
    /// <summary>USD a request.</summary>
    public decimal? Request { get; init; }
    /// <summary>USD an image in the prompt.</summary>
    public decimal? Image { get; init; }
    /// <summary>USD a second of audio in the prompt.</summary>
    public decimal? AudioSecond { get; init; }
    public IReadOnlyList<PriceTierConfig> Tiers { get; init; } = [];
}

/// <summary>Prices for the whole request when its prompt is larger than Above tokens; what is null stays as in the version.</summary>
internal sealed record PriceTierConfig
{
    public long Above { get; init; }
    public decimal? Input { get; init; }
    public decimal? CachedInput { get; init; }
    public decimal? CacheWrite { get; init; }
    public decimal? Output { get; init; }
    public decimal? Reasoning { get; init; }
}
