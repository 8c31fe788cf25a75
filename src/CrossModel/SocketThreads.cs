namespace CrossModel;

/// <summary>
/// What comes on a socket is dealt with on the thread that reads it: to wake another costs more than most of what there is to do. There are as many such
/// threads as processors, so nothing on a call's way may block or take long on them; who must, ends its turn first: see <see cref="Protocol.SocketTurn"/> and docs/decisions/0008.
/// </summary>
internal static class SocketThreads
{
    // The runtime has no other switch for it, and reads this one when the process first uses a socket. Windows knows no such threads.
    private const string Setting = "DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS";

    /// <summary>Before the first socket. Who has set the variable keeps what it says.</summary>
    public static void Use()
    {
        if (Environment.GetEnvironmentVariable(Setting) is null) Environment.SetEnvironmentVariable(Setting, "1");
    }

    /// <summary>For the server's part of it: Kestrel would pass on to the pool what the runtime does not.</summary>
    public static bool AreUsed => Environment.GetEnvironmentVariable(Setting) == "1";
}
