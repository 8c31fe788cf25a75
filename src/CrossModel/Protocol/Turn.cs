namespace CrossModel.Protocol;

/// <summary>
/// A call's turn on a thread that reads sockets, for whose end others wait. Who reads a file, has more than this to do, or is in no hurry, goes on
/// elsewhere first: <c>await Task.Yield()</c>.
/// </summary>
internal static class Turn
{
    /// <summary>Bytes read, copied or judged at once: well under a millisecond of work.</summary>
    public const int MostBytes = 64 * 1024;
}
