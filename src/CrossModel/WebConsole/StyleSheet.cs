using CrossModel.Protocol;

namespace CrossModel.WebConsole;

/// <summary>The console's one style sheet, carried inside the program.</summary>
internal static class StyleSheet
{
    private static readonly Lazy<byte[]> Bytes = new(() =>
    {
        using var resource = typeof(StyleSheet).Assembly.GetManifestResourceStream("CrossModel.WebConsole.style.css")!;
        var bytes = new byte[resource.Length];
        resource.ReadExactly(bytes);
        return bytes;
    });

    public static async ValueTask<ApiError?> WriteAsync(HttpContext http)
    {
        var response = http.Response;
        response.ContentType = "text/css; charset=utf-8";
        response.ContentLength = Bytes.Value.Length;
        if (!HttpMethods.IsHead(http.Request.Method)) await response.Body.WriteAsync(Bytes.Value);
        return null;
    }
}
