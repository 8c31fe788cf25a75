using System.Globalization;

namespace CrossModel;

/// <summary>A runtime that may open no more files cannot start a thread either, and ends the process: strangers with connections must never bring it there.</summary>
internal static class OpenFiles
{
    private const string Limits = "/proc/self/limits";

    /// <summary>For the program itself, its database and its configuration.</summary>
    private const int Own = 256;

    private const int FewestConnections = 16;

    /// <summary>How many connections may be open: half of what is left, since each may want another to an upstream. Null: no limit is known.</summary>
    public static long? Connections() => File.Exists(Limits) ? Connections(File.ReadLines(Limits)) : null;

    /// <param name="limits">As Linux writes them: <c>Max open files  1024  1048576  files</c>.</param>
    public static long? Connections(IEnumerable<string> limits)
    {
        const string Name = "Max open files";
        var line = limits.FirstOrDefault(l => l.StartsWith(Name, StringComparison.Ordinal));
        var soft = line?[Name.Length..].Split(' ', StringSplitOptions.RemoveEmptyEntries)[0];
        return long.TryParse(soft, NumberStyles.None, CultureInfo.InvariantCulture, out var most) ? Math.Max(FewestConnections, (most - Own) / 2) : null;
    }
}
