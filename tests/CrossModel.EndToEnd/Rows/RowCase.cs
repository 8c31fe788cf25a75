using System.Text.RegularExpressions;
using CrossModel.Tests.Support;

namespace CrossModel.EndToEnd.Rows;

/// <summary>The test shows a row of docs/api.md that no single request body can.</summary>
[AttributeUsage(AttributeTargets.Method, AllowMultiple = true)]
internal sealed class RowAttribute(string id) : Attribute
{
    public string Id => id;
}

/// <summary>A request that shows a row of docs/api.md, and what must come of it.</summary>
/// <param name="Upstream">The body that the upstream must receive; null: none is sent.</param>
/// <param name="IsExact">Byte for byte; else as JSON, members in any order.</param>
internal sealed record RowCase(string Id, string Body, int Status, string? Code, string? Param, string? Upstream, bool IsExact, string? Ignored)
{
    private const string Hi = """[{"role":"user","content":"Hi"}]""";

    /// <summary>Accepted, and nothing but the model's name is changed on the way.</summary>
    public static RowCase Goes(string id, string members, string model = "test/model", string messages = Hi)
    {
        var body = Whole(model, messages, members);
        return new(id, body, 200, null, null, body.Replace($"\"{model}\"", "\"m\"", StringComparison.Ordinal), true, null);
    }

    /// <summary>Accepted; the upstream receives <paramref name="upstream"/> in place of <paramref name="members"/>.</summary>
    public static RowCase Becomes(string id, string members, string upstream, string model = "test/model", string? ignored = null, string messages = Hi, string? upstreamMessages = null) =>
        new(id, Whole(model, messages, members), 200, null, null, Whole("m", upstreamMessages ?? messages, upstream), false, ignored);

    public static RowCase Refused(string id, string members, string code, string? param, string model = "test/model", int status = 400, string messages = Hi) =>
        new(id, Whole(model, messages, members), status, code, param, null, false, null);

    /// <summary>The same with a body of its own.</summary>
    public static RowCase RefusedBody(string id, string body, string code, string? param, int status = 400) => new(id, body, status, code, param, null, false, null);

    public static RowCase GoesWith(string id, string messages, string members = "", string model = "test/model") => Goes(id, members, model, messages);

    public static RowCase RefusedWith(string id, string messages, string code, string? param, string model = "test/model") => Refused(id, "", code, param, model, 400, messages);

    private static string Whole(string model, string messages, string members) =>
        $$"""{"model":"{{model}}","messages":{{messages}}{{(members.Length == 0 ? "" : "," + members)}}}""";
}

/// <summary>The rows of docs/api.md.</summary>
internal static partial class ApiRows
{
    public static IReadOnlyList<string> Ids { get; } = [.. RowId().Matches(File.ReadAllText(RepoRoot.File("docs", "api.md"))).Select(m => m.Groups[1].Value)];

    [GeneratedRegex(@"^\| `([a-z_.]+:[\w.\-]+)` \|", RegexOptions.Multiline)]
    private static partial Regex RowId();
}
