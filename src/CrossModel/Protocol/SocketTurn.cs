using System.Runtime.CompilerServices;

namespace CrossModel.Protocol;

/// <summary>
/// A call's turn on a thread that reads sockets, or on the one that commits charges: others wait for its end (docs/decisions/0008). Who has more to do
/// than this, or is in no hurry, ends it first.
/// </summary>
internal static class SocketTurn
{
    /// <summary>Bytes read, copied or judged at once: well under a millisecond of work.</summary>
    public const int MostBytes = 64 * 1024;

    /// <summary>Awaited: what follows goes on in the pool.</summary>
    public static YieldAwaitable End() => Task.Yield();
}
