using System.Text;
using CrossModel.Configuration;
using CrossModel.Dialects;
using CrossModel.Protocol;

namespace CrossModel.Benchmarks;

/// <summary>What is done to bytes: reading a request, splicing it, relaying events, a plain reply.</summary>
internal static class BytesSubjects
{
    private const int Events = 200;

    private static readonly byte[] Small = Request(64);
    private static readonly byte[] Middle = Request(32 * 1024);

    private static readonly byte[] Plain = """
        {"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"m-2026","choices":[{"index":0,"message":{"role":"assistant","content":"Hello there, twice.","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":24,"completion_tokens":12,"total_tokens":36}}
        """u8.ToArray();

    private static readonly byte[] Stream = Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat(
        "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"m-2026\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" token\"},\"finish_reason\":null}]}\n\n", Events)));

    private static readonly UpstreamConfig Config = new() { Dialect = "openai", BaseUrl = "http://127.0.0.1:9/v1", ApiKey = "k" };
    private static readonly RouteModel Model = new("vendor/model", "m-2026", new ModelFacts());
    private static readonly WriteOptions Options = new(null, "acc_1");

    public static void Measure(List<Measured> measured)
    {
        using var dialect = DialectSet.Create(Config, TimeProvider.System);
        measured.Add(Benchmarks.Measure.Of("read a small request", 1, () => Read(Small).Dispose()));
        measured.Add(Benchmarks.Measure.Of("read a 32 KB request", 1, () => Read(Middle).Dispose()));

        using var request = Read(Small);
        measured.Add(Benchmarks.Measure.Of("write the request upstream", 1, () =>
        {
            using var upstream = new UpstreamRequest();
            if (dialect.Write(request, Model, Options, upstream) is { } refusal) throw new InvalidOperationException(refusal.Message);
        }));

        var splice = new BodySplice();
        using var spliced = new PooledBuffer();
        measured.Add(Benchmarks.Measure.Of("splice a body", 1, () =>
        {
            splice.Clear();
            splice.Replace(new JsonSpan(9, 10), "\"m-2026\""u8);
            splice.Write(Small, spliced);
            spliced.Reset();
        }));

        var context = new ReplyContext("chatcmpl_0123456789abcdefghijklmn", 1_700_000_000, Model.Id, Stream: true, IncludeUsage: false, 0, "acc_1");
        using (var events = new PooledBuffer())
        using (var reader = dialect.OpenReply(context, Model))
        using (var client = new ChunkWriter(events, context.Id, context.Created, context.Model, includeUsage: false))
            measured.Add(Benchmarks.Measure.Of("relay an event", Events, () =>
            {
                if (reader.Read(Stream, client) != Stream.Length || reader.Fault is not null) throw new InvalidOperationException("the events were not read");
                events.Reset();
            }));

        measured.Add(Benchmarks.Measure.Of("open and close the reader of a stream", 1, () =>
        {
            using var events = new PooledBuffer();
            using var reader = dialect.OpenReply(context, Model);
            using var client = new ChunkWriter(events, context.Id, context.Created, context.Model, includeUsage: false);
        }));

        var plain = context with { Stream = false };
        using var body = new PooledBuffer();
        measured.Add(Benchmarks.Measure.Of("read and write a plain reply", 1, () =>
        {
            using var reader = dialect.OpenReply(plain, Model);
            using var reply = reader.ReadPlain(Plain) ?? throw new InvalidOperationException("the reply was not read");
            reply.Write(body, new ReplyIdentity(plain.Id, plain.Created, plain.Model), reader.Usage!.Value, 12345);
            body.Reset();
        }));
    }

    private static ChatRequest Read(byte[] bytes)
    {
        var body = new PooledBuffer();
        body.Write(bytes);
        return ChatRequestReader.Read(body, out var request) is { } refusal ? throw new InvalidOperationException(refusal.Message) : request!;
    }

    private static byte[] Request(int size) => Encoding.UTF8.GetBytes(
        $$"""{"model":"vendor/model","messages":[{"role":"system","content":"You are helpful."},{"role":"user","content":"{{string.Concat(Enumerable.Repeat("Hello there. ", size / 13 + 1))}}"}],"temperature":0.7,"max_tokens":256}""");
}
