using System.Text;
using System.Text.RegularExpressions;

namespace CrossModel.Configuration;

/// <summary>
/// A copy of the last configuration text that was in force, secrets unexpanded, so that a restart with a faulty file comes up as it was.
/// It lies beside a SQLite database and in <c>data</c> beside the configuration file: a text that is cut or gone does not tell where the database is.
/// </summary>
internal static partial class LastGood
{
    /// <summary>Writes the copies. IOException, UnauthorizedAccessException: none could be kept; one is enough.</summary>
    public static void Save(LoadedConfig good)
    {
        if (good.File is null || good.Text is null)
            return;
        Exception? failed = null;
        var kept = false;
        foreach (var place in Places(good))
        {
            try
            {
                Save(good.Text, place);
                kept = true;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                failed ??= e;
                // An older one that stays is worse than none.
                if (File.Exists(place))
                    File.Delete(place);
            }
        }
        if (!kept)
            throw failed!;
    }

    private static void Save(byte[] text, string place)
    {
        // Also when it says the same: the newest one is the one that was in force.
        Directory.CreateDirectory(Path.GetDirectoryName(place)!);
        var draft = place + ".new";
        // The text may contain keys that were not put into the environment: nobody else may read it. A leftover draft would keep its own mode.
        File.Delete(draft);
        using (var stream = PrivateFile.Open(draft, FileMode.CreateNew, FileAccess.Write))
        {
            stream.Write(text);
            stream.Flush(flushToDisk: true);
        }
        File.Move(draft, place, overwrite: true);
    }

    /// <summary>
    /// The last good configuration of a file that is at fault now; null: there is none, or it is at fault today too. Never an older one: that might name
    /// another database, with keys that were revoked since.
    /// </summary>
    public static LoadedConfig? Find(LoadedConfig faulty, IReadOnlyDictionary<string, string> environment, ConfigRules rules)
    {
        if (faulty.File is null || Places(faulty).Where(File.Exists).MaxBy(File.GetLastWriteTimeUtc) is not { } place)
            return null;
        try
        {
            var loaded = ConfigLoader.LoadText(File.ReadAllBytes(place), faulty.File, environment, expandSecrets: true, rules);
            return loaded.Config is null ? null : loaded;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>The copy in <c>data</c> beside a configuration file that may be lost; null: there is none.</summary>
    public static string? CopyBeside(string file)
    {
        var copy = Path.Combine(Path.GetDirectoryName(file)!, "data", NameOf(file));
        return File.Exists(copy) ? copy : null;
    }

    private static string NameOf(string file) => Path.GetFileNameWithoutExtension(file) + ".last-good.json";

    private static List<string> Places(LoadedConfig loaded)
    {
        var name = NameOf(loaded.File!);
        var places = new List<string>();
        var database = loaded.Database ?? Spelled(loaded);
        if (database?.StartsWith("sqlite:", StringComparison.Ordinal) == true)
            places.Add(Path.Combine(Path.GetDirectoryName(database["sqlite:".Length..])!, name));
        var beside = Path.Combine(loaded.BaseFolder, "data", name);
        if (!places.Contains(beside))
            places.Add(beside);
        return places;
    }

    /// <summary>What stands behind "database" in a text that is no JSON. Good enough to look for a copy there, for nothing else.</summary>
    private static string? Spelled(LoadedConfig faulty)
    {
        if (faulty.Text is null || DatabaseMember().Match(Encoding.UTF8.GetString(faulty.Text)) is not { Success: true } member)
            return null;
        var database = ConfigValidator.ResolveDatabase(member.Groups[1].Value, faulty.BaseFolder);
        return ConfigValidator.DatabaseFault(database) is null ? database : null;
    }

    [GeneratedRegex("""(?<!//.*)"database"\s*:\s*"([^"\\$]+)\x22""", RegexOptions.CultureInvariant)]
    private static partial Regex DatabaseMember();
}
