using System.Text;
using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Components.Web;
using Microsoft.Extensions.Logging.Abstractions;

namespace CrossModel.WebConsole;

/// <summary>Renders and sends a page: a Razor component without a script, whose injected properties are found among what it is given, by type.</summary>
internal static class PageWriter
{
    public static async Task<byte[]> RenderAsync(Type page, params object[] injected)
    {
        await using var renderer = new HtmlRenderer(new Given(injected), NullLoggerFactory.Instance);
        var text = await renderer.Dispatcher.InvokeAsync(async () => (await renderer.RenderComponentAsync(page, ParameterView.Empty)).ToHtmlString());
        return Encoding.UTF8.GetBytes("<!DOCTYPE html>\n" + text);
    }

    public static async Task WriteAsync(HttpContext http, byte[] html)
    {
        var response = http.Response;
        response.ContentType = "text/html; charset=utf-8";
        response.ContentLength = html.Length;
        if (!HttpMethods.IsHead(http.Request.Method)) await response.Body.WriteAsync(html);
    }

    private sealed class Given(object[] objects) : IServiceProvider
    {
        public object? GetService(Type serviceType) => Array.Find(objects, serviceType.IsInstanceOfType);
    }
}
