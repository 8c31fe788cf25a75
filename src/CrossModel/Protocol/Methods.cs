namespace CrossModel.Protocol;

/// <summary>HTTP methods of the paths that are read.</summary>
internal static class Methods
{
    /// <summary>As <c>allow</c> names them.</summary>
    public const string Read = "GET, HEAD";

    public static bool IsRead(HttpContext http) => HttpMethods.IsGet(http.Request.Method) || HttpMethods.IsHead(http.Request.Method);

    /// <summary>405, with what the path takes in <c>allow</c>.</summary>
    /// <param name="allowed">Separated by commas.</param>
    public static ApiError NotAllowed(HttpContext http, string allowed)
    {
        http.Response.Headers.Allow = allowed;
        return ApiErrors.MethodNotAllowed(http.Request.Method, allowed);
    }
}
