using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;

namespace CrossModel.Protocol;

/// <summary>A caller that leaves while he is read from.</summary>
internal static class Departure
{
    /// <summary>A connection that is reset, or times out, may tell who reads of it before it tells that the request is aborted.</summary>
    public static bool Told(HttpContext http, Exception e) =>
        e is ConnectionResetException or SocketException || (e is OperationCanceledException or IOException && http.RequestAborted.IsCancellationRequested);
}
