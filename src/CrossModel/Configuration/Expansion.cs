using System.Text;

namespace CrossModel.Configuration;

/// <summary>Puts environment variables and secret files into strings: <c>${NAME}</c>, <c>${NAME:-default}</c>, <c>${file:PATH}</c>; <c>$${</c> is a literal <c>${</c>.</summary>
/// <param name="needed">False: what is not set is left out without a fault, for commands that need no provider keys.</param>
internal sealed class Expansion(IReadOnlyDictionary<string, string> environment, string baseFolder, bool needed)
{
    // A secret is a line or a small file; anything larger is the wrong file, and is not worth the memory.
    private const int LargestSecret = 64 * 1024;

    /// <summary>Absolute paths of the files named so far and the digest of what was read; empty: it could not be read.</summary>
    public Dictionary<string, string> Files { get; } = [];

    /// <summary>False: commands that need no provider keys.</summary>
    public bool IsNeeded => needed;

    /// <summary>Null: a fault was added, or the setting is to be left out.</summary>
    /// <param name="credential">What is set but empty is as good as not set.</param>
    public string? Expand(string text, string path, int? line, bool credential, List<ConfigFault> faults)
    {
        var at = text.IndexOf("${", StringComparison.Ordinal);
        if (at < 0)
            return text;
        var result = new StringBuilder();
        var done = 0;
        for (; at >= 0; at = text.IndexOf("${", done, StringComparison.Ordinal))
        {
            if (at > done && text[at - 1] == '$')
            {
                result.Append(text, done, at - 1 - done).Append("${");
                done = at + 2;
                continue;
            }
            result.Append(text, done, at - done);
            var end = text.IndexOf('}', at);
            if (end < 0)
            {
                faults.Add(new ConfigFault(path, "a ${ is not closed") { Hint = "write ${NAME}, or $${ for the two characters themselves", Line = line });
                return null;
            }
            (string? value, string message, string? hint) = Resolve(text[(at + 2)..end], credential);
            if (value is null)
            {
                // The database is what every command needs: a default in its place would be another database.
                if (needed || path == "database")
                    faults.Add(new ConfigFault(path, message) { Hint = hint, Line = line });
                return null;
            }
            result.Append(value);
            done = end + 1;
        }
        return result.Append(text, done, text.Length - done).ToString();
    }

    private (string? Value, string Message, string? Hint) Resolve(string inside, bool credential)
    {
        if (inside.StartsWith("file:", StringComparison.Ordinal))
        {
            var read = ReadFile(inside[5..]);
            return read.Value is "" && credential ? (null, $"the secret file {inside[5..]} is empty", "put the secret into it") : read;
        }
        var fallback = inside.IndexOf(":-", StringComparison.Ordinal);
        var name = fallback < 0 ? inside : inside[..fallback];
        if (name.Length == 0 || char.IsAsciiDigit(name[0]) || !name.All(c => char.IsAsciiLetterOrDigit(c) || c == '_'))
            return (null, "what stands between ${ and } is not the name of an environment variable", "write ${NAME}, ${NAME:-default} or ${file:PATH}");
        environment.TryGetValue(name, out var value);
        if (fallback >= 0)
            return (string.IsNullOrEmpty(value) ? inside[(fallback + 2)..] : value, "", null);
        return value is "" && credential
            ? (null, $"the environment variable {name} is empty", $"set it, or write ${{{name}:-}} where none is needed")
            : (value, $"the environment variable {name} is not set", $"set it, or write ${{{name}:-default}}");
    }

    private (string? Value, string Message, string? Hint) ReadFile(string named)
    {
        if (named.Contains('\0', StringComparison.Ordinal))
            return (null, "a file's name cannot contain the character U+0000", null);
        var file = Path.GetFullPath(named, baseFolder);
        Files[file] = "";
        try
        {
            using var stream = File.OpenRead(file);
            var bytes = new byte[LargestSecret + 1];
            var length = stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
            if (length > LargestSecret)
            {
                stream.Position = 0;
                Files[file] = LoadedConfig.DigestOf(stream);
                return (null, $"the secret file {named} is larger than 64 KiB", "is it the right file?");
            }
            Files[file] = LoadedConfig.DigestOf(bytes.AsSpan(0, length));
            return (Encoding.UTF8.GetString(bytes, 0, length).TrimEnd('\r', '\n'), "", null);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return (null, $"the secret file {named} does not exist", "relative paths start at the configuration file's folder");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return (null, $"the secret file {named} cannot be read", "check its permissions");
        }
    }
}
