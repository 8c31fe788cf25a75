namespace CrossModel.Configuration;

/// <summary>
/// A copy of the last configuration text that was in force, secrets unexpanded, so that a restart with a faulty file comes up as it was.
/// It lies beside a SQLite database, else in <c>data</c> beside the configuration file.
/// </summary>
internal static class LastGood
{
    /// <summary>Writes the copy if it differs from what is there. IOException, UnauthorizedAccessException: it cannot be kept there.</summary>
    public static void Save(LoadedConfig good)
    {
        if (good.File is null || good.Text is null)
            return;
        string place = Places(good)[0];
        if (File.Exists(place) && File.ReadAllBytes(place).AsSpan().SequenceEqual(good.Text))
            return;
        Directory.CreateDirectory(Path.GetDirectoryName(place)!);
        string draft = place + ".new";
        // The text may contain keys that were not put into the environment: nobody else may read it. A leftover draft would keep its own mode.
        File.Delete(draft);
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        using (var stream = new FileStream(draft, options))
        {
            stream.Write(good.Text);
            stream.Flush(flushToDisk: true);
        }
        File.Move(draft, place, overwrite: true);
    }

    /// <summary>The last good configuration of a file that is at fault now; null: there is none, or it is at fault today too.</summary>
    public static LoadedConfig? Find(LoadedConfig faulty, IReadOnlyDictionary<string, string> environment, ConfigRules rules)
    {
        if (faulty.File is null)
            return null;
        foreach (string place in Places(faulty))
        {
            byte[] text;
            try
            {
                text = File.ReadAllBytes(place);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                continue;
            }
            LoadedConfig loaded = ConfigLoader.LoadText(text, faulty.File, environment, expandSecrets: true, rules);
            if (loaded.Config is not null)
                return loaded;
        }
        return null;
    }

    private static List<string> Places(LoadedConfig loaded)
    {
        string name = Path.GetFileNameWithoutExtension(loaded.File!) + ".last-good.json";
        var places = new List<string>();
        if (loaded.Database?.StartsWith("sqlite:", StringComparison.Ordinal) == true)
            places.Add(Path.Combine(Path.GetDirectoryName(loaded.Database["sqlite:".Length..])!, name));
        // A faulty text may no longer tell where the database is: then this is the only place left to look.
        places.Add(Path.Combine(loaded.BaseFolder, "data", name));
        return places;
    }
}
