using System.Runtime.CompilerServices;

namespace CrossModel.EndToEnd.Support;

/// <summary>Gateways inside the tests' process deal with sockets as the program does.</summary>
internal static class AsTheProgramRuns
{
    [ModuleInitializer]
    internal static void Start() => SocketThreads.Use();
}
