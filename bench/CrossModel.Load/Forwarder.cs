using System.Net;

namespace CrossModel.Load;

/// <summary>The floor: a bare Kestrel and a SocketsHttpHandler that copy bytes and know nothing. What the gateway costs is told as a multiple of it.</summary>
internal static class Forwarder
{
    public static async Task<int> RunAsync(Uri upstream)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = null;
        });
        await using var app = builder.Build();
        app.Urls.Add("http://127.0.0.1:0");
        using var http = new HttpMessageInvoker(new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            AutomaticDecompression = DecompressionMethods.None,
            ActivityHeadersPropagator = null,
        });
        var target = new Uri(upstream, "/v1/chat/completions");
        app.Run(context => ForwardAsync(context, http, target));
        await app.StartAsync();
        Console.WriteLine($"listening on {app.Urls.First()}");
        await Task.Delay(Timeout.Infinite);
        return 0;
    }

    private static async Task ForwardAsync(HttpContext context, HttpMessageInvoker http, Uri target)
    {
        using var message = new HttpRequestMessage(HttpMethod.Post, target) { Content = new StreamContent(context.Request.Body) };
        message.Content.Headers.TryAddWithoutValidation("Content-Type", context.Request.ContentType);
        message.Content.Headers.ContentLength = context.Request.ContentLength;
        using var reply = await http.SendAsync(message, context.RequestAborted);
        context.Response.StatusCode = (int)reply.StatusCode;
        context.Response.ContentType = reply.Content.Headers.ContentType?.ToString();
        context.Response.ContentLength = reply.Content.Headers.ContentLength;
        using var body = await reply.Content.ReadAsStreamAsync(context.RequestAborted);
        var writer = context.Response.BodyWriter;
        try
        {
            while (true)
            {
                // A read of nothing waits without a buffer.
                _ = await body.ReadAsync(Memory<byte>.Empty, context.RequestAborted);
                var count = await body.ReadAsync(writer.GetMemory(16 * 1024), context.RequestAborted);
                if (count == 0) break;
                writer.Advance(count);
                await writer.FlushAsync(context.RequestAborted);
            }
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            // The caller has left.
        }
    }
}
