using CrossModel.WebConsole;

namespace CrossModel;

/// <summary>
/// Pages in a browser may call and read what they are answered, as at OpenAI. None is trusted more than another: a call's key is in a header, which
/// a page can only send if it has the key itself. The console, which looks at a cookie, is not for them.
/// </summary>
internal static class CrossOrigin
{
    /// <summary>How long a browser need not ask again. More than two hours none of them remembers.</summary>
    private const string Remembered = "7200";

    /// <summary>Answers true to the question that a browser asks before a page's call, and has answered it then.</summary>
    public static bool Answer(HttpContext http)
    {
        var request = http.Request;
        // Whoever calls from this machine may read metrics without a key, and so would every page that is open on it.
        if (request.Headers.Origin.Count == 0 || request.Path.Value is not { } path || path == FrontDoor.MetricsPath || ConsoleEndpoint.IsOn(path)) return false;
        var headers = http.Response.Headers;
        headers.AccessControlAllowOrigin = "*";
        headers.AccessControlExposeHeaders = "*";
        if (!HttpMethods.IsOptions(request.Method) || request.Headers.AccessControlRequestMethod.Count == 0) return false;
        headers.AccessControlAllowMethods = "GET, POST";
        // The star stands for all but this one.
        headers.AccessControlAllowHeaders = "authorization, *";
        headers.AccessControlMaxAge = Remembered;
        http.Response.StatusCode = StatusCodes.Status204NoContent;
        return true;
    }
}
