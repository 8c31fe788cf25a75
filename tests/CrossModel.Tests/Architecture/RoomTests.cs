using System.Text.RegularExpressions;
using CrossModel.Tests.Support;

namespace CrossModel.Tests.Architecture;

/// <summary>docs/architecture.md says which room may use which; the code is held to it.</summary>
public sealed partial class RoomTests
{
    [Fact]
    public void Rooms_UseOnlyTheRooms_ThatTheTableAllows()
    {
        var allowed = Table();
        var strangers = new List<string>();
        foreach (var (file, room, text) in InRooms())
        {
            foreach (Match use in UseOfRoom().Matches(text))
            {
                var other = use.Groups[1].Value;
                if (other != room && allowed.ContainsKey(other) && !allowed[room].Contains(other)) strangers.Add($"{file}: {room} uses {other}");
            }
        }
        Assert.Empty(strangers.Distinct());
    }

    [Fact]
    public void EveryRoom_StandsInTheTable()
    {
        var allowed = Table();
        Assert.Equal(InRooms().Select(s => s.Room).Distinct().Order(), allowed.Keys.Order());
    }

    [Fact]
    public void TheTable_AllowsNoEdge_ThatNobodyUses()
    {
        var used = InRooms().SelectMany(s => UseOfRoom().Matches(s.Text).Select(m => (s.Room, Other: m.Groups[1].Value))).ToHashSet();
        Assert.All(Table().SelectMany(row => row.Value.Select(other => (Room: row.Key, Other: other))), edge => Assert.Contains(edge, used));
    }

    [Fact]
    public void ADialect_UsesNoOtherDialect_ButItsKin()
    {
        string[] kin = ["Azure>OpenAI", "Vertex>Gemini", "Vertex>Anthropic", "Bedrock>Anthropic"];
        var folder = Path.Combine(RepoRoot.Folder, "src", "CrossModel", "Dialects");
        var dialects = Directory.GetDirectories(folder).Select(d => Path.GetFileName(d)!).ToArray();
        var strangers = from dialect in dialects
                        from file in Directory.GetFiles(Path.Combine(folder, dialect), "*.cs")
                        from other in dialects
                        where other != dialect && File.ReadAllText(file).Contains($"CrossModel.Dialects.{other}", StringComparison.Ordinal) && !kin.Contains($"{dialect}>{other}")
                        select $"{dialect} uses {other} in {Path.GetFileName(file)}";
        Assert.Empty(strangers);
    }

    [Fact]
    public void ChatEndpoint_StaysReadable()
    {
        var lines = File.ReadAllLines(Path.Combine(RepoRoot.Folder, "src", "CrossModel", "Chat", "ChatEndpoint.cs")).Length;
        Assert.True(lines <= 175, $"ChatEndpoint.cs is the one file to read and has {lines} lines");
    }

    [Fact]
    public void NoFile_HoldsASecondSubject() =>
        Assert.Empty(Sources().Where(s => s.Text.Count(c => c == '\n') > 525).Select(s => s.File));

    private static Dictionary<string, HashSet<string>> Table() =>
        File.ReadLines(Path.Combine(RepoRoot.Folder, "docs", "architecture.md"))
            .SkipWhile(line => !line.StartsWith("| room | may use", StringComparison.Ordinal)).Skip(2)
            .TakeWhile(line => line.StartsWith('|'))
            .Select(line => line.Split('|', StringSplitOptions.TrimEntries))
            .ToDictionary(cells => cells[1], cells => cells[2].Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).ToHashSet());

    private static IEnumerable<(string File, string Room, string Text)> InRooms() => Sources().Where(s => s.Room.Length > 0);

    /// <summary>The files that put the program together stand in no room.</summary>
    private static IEnumerable<(string File, string Room, string Text)> Sources()
    {
        var root = Path.Combine(RepoRoot.Folder, "src", "CrossModel");
        return from file in Directory.EnumerateFiles(root, "*", SearchOption.AllDirectories)
               let parts = Path.GetRelativePath(root, file).Split(Path.DirectorySeparatorChar)
               where parts[0] is not ("bin" or "obj") && Path.GetExtension(file) is ".cs" or ".razor"
               select (Path.GetRelativePath(root, file), parts.Length > 1 ? parts[0] : "", File.ReadAllText(file));
    }

    // Both "using CrossModel.Room" and a qualified name in the text count.
    [GeneratedRegex(@"\bCrossModel\.(\w+)")]
    private static partial Regex UseOfRoom();
}
