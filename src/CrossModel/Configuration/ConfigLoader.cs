namespace CrossModel.Configuration;

/// <summary>From a file and the environment to a judged configuration: read, override, bind, validate. Every fault is found in one go.</summary>
internal static class ConfigLoader
{
    /// <param name="file">Null: no file, the defaults (the environment still overrides them, relative paths start at the working folder).</param>
    /// <param name="expandSecrets">False for commands that need no provider keys: an unset <c>${ENV}</c> is no fault then, the setting is left out.</param>
    public static LoadedConfig Load(string? file, IReadOnlyDictionary<string, string> environment, bool expandSecrets, ConfigRules rules)
    {
        if (file is null)
            return LoadText("{}"u8.ToArray(), null, environment, expandSecrets, rules);
        file = Path.GetFullPath(file);
        byte[] text;
        try
        {
            text = File.ReadAllBytes(file);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return Unreadable(file, "the configuration file does not exist", LastGood.CopyBeside(file) is { } copy
                ? $"put it back: {copy} says what was last in force (take that away too to start without a file)"
                : "--config names it; without it crossmodel.json in the working folder is read");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return Directory.Exists(file)
                ? Unreadable(file, "a folder stands in the configuration file's place",
                    "put the file there; a container makes a folder of what it is told to mount and cannot find")
                : Unreadable(file, "the configuration file cannot be read", "check its permissions");
        }
        return LoadText(text, file, environment, expandSecrets, rules);
    }

    /// <summary>As <see cref="Load"/>, for a text that stands for the file's.</summary>
    public static LoadedConfig LoadText(byte[] text, string? file, IReadOnlyDictionary<string, string> environment, bool expandSecrets, ConfigRules rules)
    {
        var folder = file is null ? Environment.CurrentDirectory : Path.GetDirectoryName(file)!;
        var faults = new List<ConfigFault>();
        var root = ConfigNode.Parse(text, out var syntax);
        EnvironmentOverrides.Apply(root, environment, faults);
        var expansion = new Expansion(environment, folder, expandSecrets);
        var binder = new ConfigBinder(expansion, folder, faults);
        var config = binder.Bind(root);
        config = config with { Database = ConfigValidator.ResolveDatabase(config.Database, folder) };
        if (syntax is not null)
        {
            // What follows the fault was not read: to call its names unknown or missing would only mislead.
            faults.Clear();
            faults.Add(syntax);
        }
        else
            faults.AddRange(new ConfigValidator(rules, binder.Source, complete: expandSecrets).Validate(config));

        List<ConfigFault> placed = [.. faults.Select(fault => fault.Line is null
                ? fault with { Line = binder.Source.LineOf(fault.Path), Variable = binder.Source.VariableOf(fault.Path) } : fault)
            .OrderBy(fault => fault.Kind).ThenBy(fault => fault.Line)];
        var databaseIsKnown = ConfigValidator.DatabaseFault(config.Database) is null && !placed.Exists(fault => fault.Path == "database")
            && (syntax is null || root.Find("database") is not null);
        return new LoadedConfig(placed.Exists(fault => fault.Kind == FaultKind.Fault) ? null : config, placed, file, folder)
        {
            Database = databaseIsKnown ? config.Database : null,
            Text = file is null ? null : text,
            SecretFiles = expansion.Files,
        };
    }

    private static LoadedConfig Unreadable(string file, string message, string hint) =>
        new(null, [new ConfigFault("$", message) { Hint = hint }], file, Path.GetDirectoryName(file)!);
}
