namespace CrossModel.Configuration;

/// <summary>Files that nobody but the server's user may read: they tell of accounts and keys, and whoever may read a database can lock it, too.</summary>
internal static class PrivateFile
{
    /// <summary>Opens a file. One that is made here belongs to this user alone; one that is there keeps its mode.</summary>
    public static FileStream Open(string path, FileMode mode, FileAccess access, FileShare share = FileShare.Read)
    {
        var options = new FileStreamOptions { Mode = mode, Access = access, Share = share };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        return new FileStream(path, options);
    }
}
