using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using CrossModel.Billing;
using CrossModel.Configuration;
using CrossModel.Routing;
using CrossModel.Upstreams;

namespace CrossModel.Cli;

/// <summary><c>crossmodel check [--online]</c>: every fault of the configuration with its path, and whether each upstream can be reached;
/// exit code 1 if there is a fault.</summary>
internal static class CheckCommand
{
    public static Command Build(CommandEnvironment environment)
    {
        var online = new Option<bool>("--online") { Description = "Also try to reach each upstream; costs nothing" };
        var check = new Command("check", "Validate the configuration and name each fault with its path") { online };
        check.SetAction(async (parse, ct) =>
        {
            var file = environment.ConfigFile(parse.GetValue(Options.Config));
            var loaded = ConfigLoader.Load(file, environment.Variables, expandSecrets: true, environment.Rules);
            // A rejected file says nothing about where its upstreams are; without one they are those whose keys are found.
            var config = file is null && loaded.Config is { } defaults ? KeyDiscovery.Find(environment.Variables).AddTo(defaults) : loaded.Config;
            ProbeResult[]? probes = parse.GetValue(online) && config is not null ? await new UpstreamProbe(environment.Time).RunAsync(config, ct) : null;
            var ok = !ConfigReport.HasErrors(loaded) && (probes ?? []).All(probe => probe.Reach == Reach.Reached);
            if (parse.GetValue(Options.Json))
            {
                await environment.Out.WriteLineAsync(ConfigReport.Json(loaded, ok, json => Write(json, probes)));
            }
            else
            {
                await environment.Out.WriteAsync(ConfigReport.Text(loaded));
                foreach (var probe in probes ?? []) await environment.Out.WriteLineAsync(Line(probe));
            }
            return ok ? 0 : 1;
        });
        return check;
    }

    private static string Line(ProbeResult probe) =>
        string.Create(CultureInfo.InvariantCulture,
            $"upstreams[\"{probe.Upstream}\"]: {Words(probe.Reach)}{(probe.Status is { } status ? $" ({status}, {probe.ElapsedMs} ms)" : "")}: {probe.Message}");

    private static string Words(Reach reach) => reach switch
    {
        Reach.Reached => "reached",
        Reach.Refused => "refused credentials",
        Reach.Failing => "reached, but failing",
        _ => "not reached",
    };

    private static void Write(Utf8JsonWriter json, ProbeResult[]? probes)
    {
        if (probes is null) return;
        json.Objects("upstreams", probes, (json, probe) =>
        {
            json.WriteString("name", probe.Upstream);
            json.WriteBoolean("ok", probe.Reach == Reach.Reached);
            json.WriteString("reach", JsonNamingPolicy.SnakeCaseLower.ConvertName(probe.Reach.ToString()));
            json.Count("status", probe.Status);
            json.WriteString("message", probe.Message);
            json.WriteNumber("elapsed_ms", probe.ElapsedMs);
        });
    }
}
