using System.Text;
using CrossModel.Dialects;
using CrossModel.Protocol;
using CrossModel.Tests.Dialects.OpenAI;

namespace CrossModel.Tests.Dialects;

/// <summary>A reply read by any dialect as the relay reads it.</summary>
internal static class ReplayedBy
{
    public static Replayed Stream(IDialect dialect, RouteModel model, ReadOnlySpan<byte> body, bool usage = true, params ReadOnlySpan<int> cuts)
    {
        using var output = new PooledBuffer();
        using var client = new ChunkWriter(output, "chatcmpl_ours", 1234567890, "vendor/model", usage);
        using var reader = dialect.OpenReply(Replayed.Context(true, usage), model);
        using var unread = new PooledBuffer();
        var from = 0;
        for (var i = 0; i <= cuts.Length && reader.Fault is null && !reader.Ended; i++)
        {
            var to = i < cuts.Length ? cuts[i] : body.Length;
            unread.Write(body[from..to]);
            unread.Consume(reader.Read(unread.Span, client));
            from = to;
        }
        if (reader.Fault is null && !reader.Ended) reader.Complete(unread.Span, client);
        if (reader.Fault is null)
        {
            client.ReleaseFinish();
            if (reader.Usage is { } counted) client.Usage(counted, 1_500);
            client.Done();
        }
        return new Replayed(Encoding.UTF8.GetString(output.Span), reader.Usage, reader.Fault, client.HasContent, client.TextBytes);
    }

    public static Replayed Plain(IDialect dialect, RouteModel model, ReadOnlyMemory<byte> body)
    {
        using var reader = dialect.OpenReply(Replayed.Context(false, false), model);
        using var output = new PooledBuffer();
        using var reply = reader.ReadPlain(body);
        reply?.Write(output, new ReplyIdentity("chatcmpl_ours", 1234567890, "vendor/model"), reply.Usage ?? default, 1_500);
        return new Replayed(Encoding.UTF8.GetString(output.Span), reader.Usage, reader.Fault, reply?.HasContent ?? false, reply?.TextBytes ?? 0);
    }
}
