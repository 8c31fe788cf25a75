using System.Text;
using System.Text.Json;
using CrossModel.EndToEnd.Rows;

namespace CrossModel.EndToEnd.Behaviour;

/// <summary>Requests with bytes changed, cut, doubled and swapped, to servers of every preset's habits: a reply or a refusal in the shared shape, never a 500, and never a broken body upstream.</summary>
public sealed class MutatedRequests(RowBench bench) : IClassFixture<RowBench>
{
    private static readonly string[] Pieces = ["null", "true", "-1", "0", "1e5", "\"\"", "\"x\"", "[]", "{}", ",", ":", "}", "]", "\"model\":", "\"\\ud83d\\ude00\"", "\"\\u0000\"", "\u00e9", "99999999999999999999", "[[[[", "\"tools\":[]", "\"content\":null"];
    private static readonly string[] Models = ["test/model", "openai/model", "zai/model", "moonshot/model", "perplexity/model", "groq/model", "mistral/model", "ollama/model", "text/model", "two/model"];

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public async Task Body_Mutated_IsNeverOurFault(int seed)
    {
        var random = new Random(seed);
        var seeds = ParameterRows.All.Concat(MessageRows.All).Where(r => r.Status == 200).Select(r => r.Body).ToList();
        // Values of the same kind, from all requests: what replaces one is often still a request.
        var pool = seeds.SelectMany(s => Values(s).Select(v => s.Substring(v.Start, v.Length))).Distinct().ToLookup(v => Kind(v));
        var served = 0;
        for (var i = 0; i < 400; i++)
        {
            var body = seeds[random.Next(seeds.Count)];
            foreach (var name in (string[])["test/model", "openai/model", "zai/model", "groq/model", "mistral/model", "moonshot/model", "text/model"]) body = body.Replace($"\"{name}\"", $"\"{Models[random.Next(Models.Length)]}\"", StringComparison.Ordinal);
            for (var times = random.Next(3); times >= 0; times--) body = Mutate(body, pool, random);
            var before = bench.Upstream.Received.Count;

            var reply = await bench.Gateway.PostAsync(body);

            var status = (int)reply.Status;
            Assert.True(status is 200 or 400 or 404, $"{status} {reply.Text} for {body}");
            if (status != 200) Assert.Equal(["message", "type", "param", "code"], reply.Json["error"]!.AsObject().Select(m => m.Key));
            else served++;
            foreach (var received in bench.Upstream.Received.Skip(before)) AssertSound(received.Body, body);
        }
        Assert.True(served > 40, $"only {served} of the mutations are still requests");
    }

    private static string Mutate(string body, ILookup<char, string> pool, Random random)
    {
        var values = Values(body);
        if (values.Count > 0 && random.Next(8) > 0)
        {
            var (start, length) = values[random.Next(values.Count)];
            var others = pool[Kind(body.Substring(start, length))].ToList();
            var value = random.Next(6) == 0 || others.Count == 0 ? Pieces[random.Next(9)] : others[random.Next(others.Count)];
            return body[..start] + value + body[(start + length)..];
        }
        var (at, to) = (random.Next(body.Length), random.Next(body.Length));
        if (at > to) (at, to) = (to, at);
        return random.Next(4) switch
        {
            0 => body[..at] + body[to..],
            1 => body[..at] + Pieces[random.Next(Pieces.Length)] + body[at..],
            2 => body[..to] + body[at..],
            _ => body[..at] + (char)random.Next(1, 0x250) + body[(at + 1)..],
        };
    }

    private static char Kind(string value) => value[0] is '-' or >= '0' and <= '9' ? '0' : value[0] is 't' or 'f' ? 't' : value[0];

    /// <summary>Where values stand.</summary>
    private static List<(int Start, int Length)> Values(string body)
    {
        var values = new List<(int, int)>();
        if (!Ascii.IsValid(body)) return values;
        try
        {
            var json = new Utf8JsonReader(Encoding.UTF8.GetBytes(body));
            while (json.Read())
            {
                if (json.TokenType is JsonTokenType.PropertyName or JsonTokenType.EndArray or JsonTokenType.EndObject || json.CurrentDepth == 0) continue;
                var end = json;
                end.Skip();
                values.Add(((int)json.TokenStartIndex, (int)(end.BytesConsumed - json.TokenStartIndex)));
            }
        }
        catch (JsonException)
        {
            // Broken already: broken further.
        }
        return values;
    }

    private static void AssertSound(byte[] received, string sent)
    {
        try
        {
            using var json = JsonDocument.Parse(received);
            Assert.Equal(JsonValueKind.Object, json.RootElement.ValueKind);
            Assert.Equal(json.RootElement.EnumerateObject().Count(), json.RootElement.EnumerateObject().DistinctBy(m => m.Name).Count());
            Assert.Equal("m", json.RootElement.GetProperty("model").GetString());
        }
        catch (JsonException e)
        {
            Assert.Fail($"{e.Message}: {Encoding.UTF8.GetString(received)} of {sent}");
        }
    }
}
