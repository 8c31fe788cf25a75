using System.Collections.Concurrent;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Http;

namespace CrossModel.Simulator;

/// <summary>
/// Finds a request's script, in this order: the header <c>x-simulate</c>, a directive <c>[[simulate: …]]</c> in the last user message
/// (a gateway in between does not pass headers on), the model's name. Counts how often each was followed.
/// </summary>
internal sealed partial class ScriptSource
{
    private readonly ConcurrentDictionary<string, int> _followed = new();

    /// <returns>Null, or what is wrong with the script.</returns>
    public string? Find(IHeaderDictionary headers, string userText, string model, out FaultScript script)
    {
        script = FaultScript.None;
        var fault = headers.TryGetValue("x-simulate", out var header) ? FaultScript.TryParse(header.ToString(), out script)
            : Directive().Matches(userText) is { Count: > 0 } directives ? FaultScript.TryParse(directives[^1].Groups[1].Value, out script)
            : OfModel(model, out script);
        if (fault is null && script.Times is { } times && _followed.AddOrUpdate(script.Source, 1, (_, n) => Math.Min(n, int.MaxValue - 1) + 1) > times)
            script = script.WithoutFaults();
        return fault;
    }

    /// <summary>
    /// <c>simulated:SCRIPT</c> or <c>sim:SCRIPT</c>, or the short forms <c>sim-503</c>, <c>sim-reset</c>, <c>sim-429-then-200</c>. Any
    /// other name is just a model's name.
    /// </summary>
    public static string? OfModel(string model, out FaultScript script)
    {
        script = FaultScript.None;
        if (model.IndexOf(':', StringComparison.Ordinal) is > 0 and var colon && model[..colon] is "simulated" or "sim")
            return FaultScript.TryParse(model[(model.IndexOf(':', StringComparison.Ordinal) + 1)..], out script);
        if (!model.StartsWith("sim-", StringComparison.Ordinal))
            return null;
        var once = model.EndsWith("-then-200", StringComparison.Ordinal);
        var name = once ? model[4..^9] : model[4..];
        var source = (name is [>= '0' and <= '9', _, _] ? "status=" + name : name) + (once ? ";times=1" : "");
        if (FaultScript.TryParse(source, out var shortForm) is null)
            script = shortForm;
        return null;
    }

    [GeneratedRegex(@"\[\[simulate:\s*(.*?)\s*\]\]", RegexOptions.Singleline)]
    private static partial Regex Directive();
}
