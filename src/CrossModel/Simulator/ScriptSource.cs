using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;

namespace CrossModel.Simulator;

/// <summary>
/// Finds a request's script, in this order: the header <c>x-simulate</c>, a directive <c>[[simulate: …]]</c> in the last user message
/// (a gateway in between does not pass headers on), the model's name. Counts how often each was followed.
/// </summary>
internal sealed class ScriptSource
{
    // Callers of a gateway think of ever new ones: beyond this counting begins anew.
    private const int MostCounted = 10_000;
    private readonly ConcurrentDictionary<string, int> _followed = new();

    /// <returns>Null, or what is wrong with the script.</returns>
    public string? Find(IHeaderDictionary headers, string userText, string model, out FaultScript script)
    {
        script = FaultScript.None;
        var fault = headers.TryGetValue("x-simulate", out var header) ? FaultScript.TryParse(header.ToString(), out script)
            : Directive(userText) is { } directive ? FaultScript.TryParse(directive, out script)
            : OfModel(model, out script);
        if (fault is null && script.Times is { } times && Followed(script.Source) > times)
            script = script.WithoutFaults();
        return fault;
    }

    private int Followed(string source)
    {
        if (_followed.Count >= MostCounted)
            _followed.Clear();
        // A script may be as long as a request: its hash is enough to know it by.
        return _followed.AddOrUpdate(Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(source))), 1, (_, n) => Math.Min(n, int.MaxValue - 1) + 1);
    }

    /// <summary>
    /// <c>simulated:SCRIPT</c> or <c>sim:SCRIPT</c>, or the short forms <c>sim-503</c>, <c>sim-reset</c>, <c>sim-429-then-200</c>. Any
    /// other name is just a model's name.
    /// </summary>
    public static string? OfModel(string model, out FaultScript script)
    {
        script = FaultScript.None;
        if (model.IndexOf(':', StringComparison.Ordinal) is > 0 and var colon && model[..colon] is "simulated" or "sim")
            return FaultScript.TryParse(model[(colon + 1)..], out script);
        if (!model.StartsWith("sim-", StringComparison.Ordinal))
            return null;
        var once = model.EndsWith("-then-200", StringComparison.Ordinal);
        var name = once ? model[4..^9] : model[4..];
        var source = (name is [>= '0' and <= '9', _, _] ? "status=" + name : name) + (once ? ";times=1" : "");
        if (FaultScript.TryParse(source, out var shortForm) is null)
            script = shortForm;
        return null;
    }

    /// <summary>The last one in a text. By hand: callers of a gateway write the text, and a pattern that tries every length of a blank would take hours for a long one.</summary>
    private static string? Directive(string text)
    {
        const string Begin = "[[simulate:", End = "]]";
        string? found = null;
        for (int at = 0, end; (at = text.IndexOf(Begin, at, StringComparison.Ordinal)) >= 0; at = end + End.Length)
        {
            at += Begin.Length;
            end = text.IndexOf(End, at, StringComparison.Ordinal);
            if (end < 0)
                break;
            found = text[at..end];
        }
        return found?.Trim();
    }
}
