using System.Net;
using CrossModel.Protocol;

namespace CrossModel.Configuration;

/// <summary>What the form of the single values cannot show: names that must exist, addresses, things that belong together. Gathers everything, stops at nothing.</summary>
/// <param name="complete">All secrets are expanded: only then can be judged what belongs together, and must named files be there.</param>
internal sealed class ConfigValidator(ConfigRules rules, ConfigSource source, bool complete)
{
    private const string DatabaseForms = "write \"sqlite:FILE\" or \"postgresql://user:password@host/database\"";

    private readonly List<ConfigFault> _faults = [];

    public List<ConfigFault> Validate(GatewayConfig config)
    {
        CheckUrls(config.Urls, "urls");
        if ((DatabaseFault(config.Database) ?? AddressFault(config.Database) ?? FolderFault(config.Database)) is { } database)
            _faults.Add(database);
        if (config.Metrics.Urls is { } metrics)
        {
            CheckUrls(metrics, "metrics.urls");
            if (ListenAddresses.Share(config.Urls, metrics))
                _faults.Add(new ConfigFault("metrics.urls", "urls has this address too, and no server can start so unless --urls gives it another", FaultKind.Warning)
                { Hint = "give metrics a port of their own, or take metrics.urls out" });
        }
        if (config.Metrics.Token is { } token && (token != token.Trim() || token.Any(char.IsControl)))
            _faults.Add(new ConfigFault("metrics.token", "a token cannot begin or end with a blank, nor have line breaks in it") { Hint = "no header can carry it" });
        if (config.Alerts is { } alerts)
            CheckAlerts(alerts);
        for (var i = 0; i < config.TrustedProxies.Count; i++)
            if (!IPAddress.TryParse(config.TrustedProxies[i], out _) && !IPNetwork.TryParse(config.TrustedProxies[i], out _))
                _faults.Add(new ConfigFault($"trustedProxies[{i}]", "this is neither an IP address nor a network") { Hint = "write \"10.0.0.5\" or \"10.0.0.0/8\"" });
        foreach ((string name, UpstreamConfig upstream) in config.Upstreams)
            CheckUpstream(name, upstream);
        foreach ((string id, ModelConfig model) in config.Models)
            CheckModel(id, model, config);
        _faults.RemoveAll(fault => source.IsMisfit(fault.Path));
        return _faults;
    }

    /// <summary>Null: the address has a form that we know.</summary>
    public static ConfigFault? DatabaseFault(string address)
    {
        if (address.StartsWith("sqlite:", StringComparison.Ordinal))
            return address.Length > "sqlite:".Length && !address.StartsWith("sqlite::", StringComparison.Ordinal) ? null
                : new ConfigFault("database", "the database file is not named") { Hint = DatabaseForms };
        if (!Uri.TryCreate(address, UriKind.Absolute, out var uri) || uri.Scheme is not ("postgresql" or "postgres"))
            return new ConfigFault("database", "this is not the address of a database") { Hint = DatabaseForms };
        return uri.Host.Length > 0 && uri.AbsolutePath.Length > 1 ? null
            : new ConfigFault("database", "the server or the database is not named") { Hint = DatabaseForms };
    }

    private ConfigFault? AddressFault(string address) => rules.CheckDatabase(address) is { } message ? new ConfigFault("database", message) : null;

    private static ConfigFault? FolderFault(string address) => address.StartsWith("sqlite:", StringComparison.Ordinal) && Directory.Exists(address["sqlite:".Length..])
        ? new ConfigFault("database", "this is a folder, not a file") { Hint = "name a file in it: \"sqlite:FOLDER/crossmodel.db\"" } : null;

    /// <summary>A SQLite file's path made absolute; other addresses stay.</summary>
    public static string ResolveDatabase(string address, string folder) =>
        address.StartsWith("sqlite:", StringComparison.Ordinal) && DatabaseFault(address) is null ? "sqlite:" + Path.GetFullPath(address["sqlite:".Length..], folder) : address;

    private void CheckUrls(string urls, string path)
    {
        if (ListenAddresses.Fault(urls) is (string message, string hint))
            _faults.Add(new ConfigFault(path, message) { Hint = hint });
    }

    private void CheckAlerts(AlertsConfig alerts)
    {
        if (alerts.Webhook is not { } webhook)
            return;
        if (!IsHttp(webhook))
            _faults.Add(new ConfigFault("alerts.webhook", "this is not an http or https address") { Hint = "write \"https://host/path\"" });
        if (alerts.Secret is null)
            _faults.Add(new ConfigFault("alerts.secret", "without a secret the webhook's receiver cannot tell our calls from others", FaultKind.Warning));
        if (!source.Has("alerts.below"))
            _faults.Add(new ConfigFault("alerts.below", "without it only an account that may go below zero is ever told of", FaultKind.Warning)
            { Hint = "state the USD below which a balance is low" });
    }

    private void CheckUpstream(string name, UpstreamConfig upstream)
    {
        var path = ConfigPath.Member("upstreams", name);
        if (name.Length is 0 or > 100 || !name.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-'))
            _faults.Add(new ConfigFault(path, "an upstream's name has 1 to 100 letters, digits, dots, underscores and dashes") { Hint = "it appears in headers and metrics" });
        if (!rules.KnownDialects.Contains(upstream.Dialect))
            _faults.Add(new ConfigFault($"{path}.dialect", "there is no such dialect")
            { Hint = NearestName.Question(upstream.Dialect, rules.KnownDialects) ?? "known: " + string.Join(", ", rules.KnownDialects.Order(StringComparer.Ordinal)) });
        if (upstream.Preset is { } preset && !rules.KnownPresets.Contains(preset))
            _faults.Add(new ConfigFault($"{path}.preset", "there is no such preset")
            { Hint = NearestName.Question(preset, rules.KnownPresets) ?? "known: " + string.Join(", ", rules.KnownPresets.Order(StringComparer.Ordinal)) });
        if (upstream.BaseUrl is { } url)
            CheckBaseUrl(url, $"{path}.baseUrl");
        if (upstream.ApiKey is not null && upstream.ApiKeys.Count > 0)
            _faults.Add(new ConfigFault($"{path}.apiKeys", "apiKey and apiKeys are both given") { Hint = "put every key into apiKeys" });
        CheckKey(upstream.ApiKey, $"{path}.apiKey");
        for (var i = 0; i < upstream.ApiKeys.Count; i++)
        {
            if (upstream.ApiKeys[i].Length == 0)
                _faults.Add(new ConfigFault($"{path}.apiKeys[{i}]", "a key in this list cannot be empty") { Hint = "take it out" });
            CheckKey(upstream.ApiKeys[i], $"{path}.apiKeys[{i}]");
        }
        CheckKey(upstream.AccessKeyId, $"{path}.accessKeyId");
        CheckKey(upstream.SecretAccessKey, $"{path}.secretAccessKey");
        CheckKey(upstream.SessionToken, $"{path}.sessionToken");
        CheckKey(upstream.ClientSecret, $"{path}.clientSecret");
        foreach ((string header, string value) in upstream.Headers)
            CheckHeader(header, value, ConfigPath.Member($"{path}.headers", header));
        if (complete && upstream.ServiceAccount is { } file && !File.Exists(file))
            _faults.Add(new ConfigFault($"{path}.serviceAccount", "the file does not exist") { Hint = "relative paths start at the configuration file's folder" });
        if (complete)
            AddRemarks(rules.CheckUpstream(upstream), path);
    }

    private void AddRemarks(IEnumerable<UpstreamRemark> remarks, string path) =>
        _faults.AddRange(remarks.Select(remark => new ConfigFault($"{path}.{remark.Member}", remark.Message, remark.IsWarning ? FaultKind.Warning : FaultKind.Fault)));

    private void CheckBaseUrl(string url, string path)
    {
        if (!IsHttp(url))
        {
            _faults.Add(new ConfigFault(path, "this is not an http or https address") { Hint = "write \"https://host/v1\"" });
            return;
        }
        var uri = new Uri(url);
        if (uri.UserInfo.Length > 0 || uri.Query.Length > 0 || uri.Fragment.Length > 0)
            _faults.Add(new ConfigFault(path, "an address without user, query and fragment is expected")
            {
                Hint = uri.Query.Contains("api-version", StringComparison.OrdinalIgnoreCase)
                    ? "the version belongs into apiVersion"
                    : "keys belong into apiKey, extra headers into headers",
            });
        else if (uri.AbsolutePath.EndsWith("/chat/completions", StringComparison.Ordinal))
            _faults.Add(new ConfigFault(path, "this is the address of one operation") { Hint = "leave /chat/completions out" });
    }

    private static bool IsHttp(string url) => Uri.TryCreate(url, UriKind.Absolute, out Uri? uri) && uri.Scheme is "http" or "https" && uri.Host.Length > 0;

    private void CheckKey(string? key, string path)
    {
        if (key is not null && !key.All(c => c is > ' ' and <= '~'))
            _faults.Add(new ConfigFault(path, "a key cannot have blanks, line breaks or letters beyond ASCII in it") { Hint = "was something else copied along with it?" });
        else if (key is ['$', .. var name] && name.All(c => char.IsAsciiLetterOrDigit(c) || c == '_'))
            _faults.Add(new ConfigFault(path, "the key is this very text, no variable's value", FaultKind.Warning) { Hint = "write ${NAME} for the environment variable" });
        else if (key is ['"', .., '"'] or ['\'', .., '\''])
            _faults.Add(new ConfigFault(path, "the key begins and ends with a quote", FaultKind.Warning) { Hint = "take the quotes out; a file of variables may need none" });
    }

    private void CheckHeader(string name, string value, string path)
    {
        if (name.Length == 0 || !name.All(c => char.IsAsciiLetterOrDigit(c) || "!#$%&'*+-.^_`|~".Contains(c, StringComparison.Ordinal)))
            _faults.Add(new ConfigFault(path, "this is not the name of a header"));
        else if (name.ToLowerInvariant() is "host" or "content-length" or "content-type" or "transfer-encoding" or "connection" or "expect" or "upgrade")
            _faults.Add(new ConfigFault(path, "this header is written by the gateway itself") { Hint = "take it out" });
        if (!value.All(c => c is '\t' or (>= ' ' and <= '~')))
            _faults.Add(new ConfigFault(path, "a header's value cannot have line breaks or letters beyond ASCII in it"));
    }

    private void CheckModel(string id, ModelConfig model, GatewayConfig config)
    {
        var path = ConfigPath.Member("models", id);
        if (id.Length is 0 or > 200 || !id.All(c => c is > ' ' and <= '~' and not '"'))
            _faults.Add(new ConfigFault(path, "a model's id has 1 to 200 visible ASCII characters") { Hint = "the usual form is vendor/name" });
        if (model.Routes.Count == 0)
            _faults.Add(new ConfigFault($"{path}.routes", "no route leads to this model") { Hint = "add { \"upstream\": \"…\", \"model\": \"…\" }" });
        for (var i = 0; i < model.Routes.Count; i++)
        {
            var route = model.Routes[i];
            var at = $"{path}.routes[{i}]";
            if (route.Upstream.Length == 0)
                _faults.Add(new ConfigFault($"{at}.upstream", "the route names no upstream") { Hint = "name one of upstreams" });
            else if (!config.Upstreams.TryGetValue(route.Upstream, out var upstream))
            {
                // What is wrong with the upstream itself has been said.
                if (source.IsMisfit(ConfigPath.Member("upstreams", route.Upstream)))
                    continue;
                _faults.Add(new ConfigFault($"{at}.upstream", $"no upstream is named {source.Quote($"{at}.upstream", route.Upstream)}")
                {
                    Hint = NearestName.Question(route.Upstream, config.Upstreams.Keys)
                        ?? "upstreams has " + (config.Upstreams.Count == 0 ? "none" : string.Join(", ", config.Upstreams.Keys.Take(20))),
                });
            }
            else if (complete)
                AddRemarks(rules.CheckRoute(upstream, id, route), at);
            if (route.Cost is { } cost)
                PriceRules.Check(cost, $"{at}.cost", rules.Time, source, _faults);
        }
        if (model.Price is { } price)
            PriceRules.Check(price, $"{path}.price", rules.Time, source, _faults);
        else
            _faults.Add(new ConfigFault($"{path}.price", "the model has no price and is off until it has one", FaultKind.MissingPrice)
            { Hint = "state { \"input\": …, \"output\": … } in USD per million tokens, or \"free\"" });
    }
}
