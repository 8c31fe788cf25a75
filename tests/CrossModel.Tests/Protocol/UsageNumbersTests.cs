using System.Text;
using CrossModel.Protocol;

namespace CrossModel.Tests.Protocol;

public sealed class UsageNumbersTests
{
    [Fact]
    public void Usage_AHostileObjectThenAGoodOne_HasNothingOfTheFirst()
    {
        var numbers = new UsageNumbers();
        numbers.Overlay("""{"prompt_tokens":10,"completion_tokens":-1,"prompt_tokens_details":{"cached_tokens":2000000}}"""u8);
        Assert.Null(numbers.Normalise(surplusIsReasoning: false));
        numbers.Overlay("""{"prompt_tokens":10,"completion_tokens":5}"""u8);
        Assert.Equal(new TokenUsage { InputTokens = 10, OutputTokens = 5 }, numbers.Normalise(surplusIsReasoning: false));
    }

    [Fact]
    public void Usage_OfSeveralCalls_IsTheSumInEveryClass()
    {
        var one = new TokenUsage
        {
            InputTokens = 100,
            CachedInputTokens = 40,
            CacheWriteTokens = 30,
            CacheWriteHourTokens = 20,
            AudioInputTokens = 10,
            OutputTokens = 50,
            ReasoningTokens = 15,
            AudioOutputTokens = 5,
        };
        var two = new TokenUsage
        {
            InputTokens = 200,
            CachedInputTokens = 80,
            CacheWriteTokens = 60,
            CacheWriteHourTokens = 40,
            AudioInputTokens = 20,
            OutputTokens = 100,
            ReasoningTokens = 30,
            AudioOutputTokens = 10,
        };
        Assert.Equal(two, one + one);
    }

    [Theory]
    // OpenAI
    [InlineData("""{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":2}}""", 10, 4, 0, 5, 2)]
    // xAI: reasoning beside completion, told by the total
    [InlineData("""{"prompt_tokens":10,"completion_tokens":5,"total_tokens":22,"completion_tokens_details":{"reasoning_tokens":7}}""", 10, 0, 0, 12, 7)]
    [InlineData("""{"prompt_tokens":10,"completion_tokens":9,"total_tokens":26,"completion_tokens_details":{"reasoning_tokens":7}}""", 10, 0, 0, 16, 7)]
    // Vercel's gateway: more reasoning than completion
    [InlineData("""{"prompt_tokens":28,"completion_tokens":9,"total_tokens":37,"completion_tokens_details":{"reasoning_tokens":61}}""", 28, 0, 0, 70, 61)]
    // OpenRouter and Baseten: nothing but reasoning, a token apart in counting it
    [InlineData("""{"prompt_tokens":43,"completion_tokens":10,"total_tokens":53,"completion_tokens_details":{"reasoning_tokens":11}}""", 43, 0, 0, 10, 10)]
    [InlineData("""{"prompt_tokens":951,"completion_tokens":6000,"total_tokens":6952,"completion_tokens_details":{"reasoning_tokens":6001}}""", 951, 0, 0, 6001, 6001)]
    [InlineData("""{"prompt_tokens":43,"completion_tokens":10,"total_tokens":64,"completion_tokens_details":{"reasoning_tokens":11}}""", 43, 0, 0, 21, 11)]
    // Grok on Azure: prompt excludes cached
    [InlineData("""{"prompt_tokens":7,"completion_tokens":5,"total_tokens":12,"prompt_tokens_details":{"cached_tokens":161}}""", 168, 161, 0, 5, 0)]
    // Portkey's gateway before Claude: prompt excludes what was cached and written, told by the total
    [InlineData("""{"prompt_tokens":3000,"completion_tokens":50,"total_tokens":4550,"prompt_tokens_details":{"cached_tokens":1000},"cache_read_input_tokens":1000,"cache_creation_input_tokens":500}""", 4500, 1000, 500, 50, 0)]
    [InlineData("""{"prompt_tokens":10,"completion_tokens":5,"total_tokens":5315,"cache_read_input_tokens":5000,"cache_creation_input_tokens":300}""", 5310, 5000, 300, 5, 0)]
    // gateways before Claude whose total is short of them too: a first turn that writes, a second that reads and writes
    [InlineData("""{"prompt_tokens":3,"completion_tokens":550,"total_tokens":553,"cache_read_input_tokens":0,"cache_creation_input_tokens":12304}""", 12307, 0, 12304, 550, 0)]
    [InlineData("""{"prompt_tokens":4,"completion_tokens":7,"total_tokens":11,"prompt_tokens_details":{"cached_tokens":12304,"cached_creation_tokens":310}}""", 12618, 12304, 310, 7, 0)]
    // LiteLLM's for a time: what was read is in the prompt, what was written is not
    [InlineData("""{"prompt_tokens":2049,"completion_tokens":7,"total_tokens":2056,"prompt_tokens_details":{"cached_tokens":2000},"cache_creation_input_tokens":3000}""", 5049, 2000, 3000, 7, 0)]
    // Perplexity's research: reasoning beside completion, however little, and its sources beside the prompt
    [InlineData("""{"prompt_tokens":108,"completion_tokens":3256,"total_tokens":3364,"citation_tokens":7299,"num_search_queries":74,"reasoning_tokens":73248}""", 7407, 0, 0, 76504, 73248)]
    [InlineData("""{"prompt_tokens":33,"completion_tokens":7163,"total_tokens":7196,"citation_tokens":20016,"num_search_queries":18,"reasoning_tokens":5000}""", 20049, 0, 0, 12163, 5000)]
    // Mistral audio
    [InlineData("""{"prompt_tokens":7,"completion_tokens":5,"total_tokens":112,"prompt_audio_seconds":8}""", 107, 0, 0, 5, 0)]
    // a total that does not add up otherwise is recomputed
    [InlineData("""{"prompt_tokens":7,"completion_tokens":5,"total_tokens":112}""", 7, 0, 0, 5, 0)]
    // where cached counts stand elsewhere
    [InlineData("""{"prompt_tokens":10,"completion_tokens":5,"num_cached_tokens":3}""", 10, 3, 0, 5, 0)]
    [InlineData("""{"prompt_tokens":10,"completion_tokens":5,"cached_tokens":3}""", 10, 3, 0, 5, 0)]
    [InlineData("""{"prompt_tokens":10,"completion_tokens":5,"prompt_cache_hit_tokens":3,"prompt_cache_miss_tokens":7}""", 10, 3, 0, 5, 0)]
    [InlineData("""{"prompt_tokens":10,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":4,"cache_write_tokens":9}}""", 10, 4, 6, 5, 0)]
    [InlineData("""{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"cache_read_input_tokens":8,"cache_creation_input_tokens":0}""", 10, 8, 0, 5, 0)]
    [InlineData("""{"prompt_tokens":110,"completion_tokens":5,"total_tokens":115,"prompt_tokens_details":{"cached_tokens":60,"cached_creation_tokens":40}}""", 110, 60, 40, 5, 0)]
    [InlineData("""{"prompt_tokens":110,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":60,"cache_creation_tokens":40}}""", 110, 60, 40, 5, 0)]
    [InlineData("""{"prompt_tokens":10,"total_tokens":15}""", 10, 0, 0, 5, 0)]
    // other names for both; where both are there the usual ones count
    [InlineData("""{"input_tokens":11,"output_tokens":5,"total_tokens":16,"prompt_tps":21.55}""", 11, 0, 0, 5, 0)]
    [InlineData("""{"input_tokens":0,"output_tokens":0,"prompt_tokens":10,"completion_tokens":5,"input_tokens_details":null}""", 10, 0, 0, 5, 0)]
    [InlineData("""{"prompt_tokens":10,"completion_tokens":5,"input_tokens":0,"output_tokens":0}""", 10, 0, 0, 5, 0)]
    // a name is what it stands for, however it is written
    [InlineData("""{"prompt_\u0074okens":10,"c\u006fmpletion_tokens":5,"prompt_tokens_d\u0065tails":{"c\u0061ched_tokens":4},"completion_tokens_details":{"reasoning_t\u006fkens":2},"\ud800":1}""", 10, 4, 0, 5, 2)]
    [InlineData("""{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}""", 0, 0, 0, 0, 0)]
    public void Usage_EveryShape_IsNormalised(string usage, long input, long cached, long written, long output, long reasoning)
    {
        Assert.Equal(new TokenUsage { InputTokens = input, CachedInputTokens = cached, CacheWriteTokens = written, OutputTokens = output, ReasoningTokens = reasoning }, Read(usage)!.Value with { AudioInputTokens = 0 });
    }

    [Theory]
    // OpenAI, a spoken question; a spoken answer
    [InlineData("""{"prompt_tokens":59,"completion_tokens":123,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":43,"text_tokens":16},"completion_tokens_details":{"audio_tokens":0}}""", 59, 43, 123, 0)]
    [InlineData("""{"prompt_tokens":9,"completion_tokens":90,"prompt_tokens_details":{"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":70}}""", 9, 0, 90, 70)]
    // Mistral: what the total has beyond the others is sound
    [InlineData("""{"prompt_tokens":7,"completion_tokens":5,"total_tokens":112,"prompt_audio_seconds":8}""", 107, 100, 5, 0)]
    // never more than what is neither cached nor written, nor than what is not reasoning
    [InlineData("""{"prompt_tokens":59,"completion_tokens":9,"prompt_tokens_details":{"cached_tokens":20,"cache_write_tokens":9,"audio_tokens":43}}""", 59, 30, 9, 0)]
    [InlineData("""{"prompt_tokens":9,"completion_tokens":90,"prompt_tokens_details":{"audio_tokens":2147483648},"completion_tokens_details":{"reasoning_tokens":30,"audio_tokens":61}}""", 9, 9, 90, 60)]
    // only in the details, each in its own
    [InlineData("""{"prompt_tokens":9,"completion_tokens":90,"audio_tokens":5,"prompt_tokens_details":{"audio_tokens":null},"completion_tokens_details":null}""", 9, 0, 90, 0)]
    public void Usage_WithSound_HasItsParts(string usage, long input, long heard, long output, long spoken)
    {
        var read = Read(usage)!.Value;
        Assert.Equal((input, heard, output, spoken), (read.InputTokens, read.AudioInputTokens, read.OutputTokens, read.AudioOutputTokens));
    }

    [Theory]
    [InlineData("""{"prompt_tokens":9,"completion_tokens":5,"prompt_tokens_details":{"audio_tokens":-1}}""")]
    [InlineData("""{"prompt_tokens":9,"completion_tokens":5,"completion_tokens_details":{"audio_tokens":"3"}}""")]
    [InlineData("""{"prompt_tokens":-1,"completion_tokens":5}""")]
    [InlineData("""{"prompt_tokens":1.5,"completion_tokens":5}""")]
    [InlineData("""{"prompt_tokens":"1","completion_tokens":5}""")]
    [InlineData("""{"prompt_tokens":2147483649,"completion_tokens":5}""")]
    [InlineData("""{"prompt_tokens":1e30,"completion_tokens":5}""")]
    [InlineData("""{"prompt_tokens":1,"completion_tokens":5,"completion_tokens_details":{"reasoning_tokens":[]}}""")]
    [InlineData("""{"prompt_tokens":1,"completion_tokens":5,"citation_tokens":-1}""")]
    [InlineData("""{"prompt_tokens":1}""")]
    [InlineData("""{}""")]
    public void Usage_Hostile_IsAbsent(string usage) => Assert.Null(Read(usage));

    [Fact]
    public void Usage_SeveralTimes_TheLastWinsFieldByField() => Assert.Equal(
        new TokenUsage { InputTokens = 10, CachedInputTokens = 2, OutputTokens = 9 },
        Read("""{"prompt_tokens":8,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":2}}""", """{"prompt_tokens":10,"completion_tokens":9}"""));

    [Fact]
    public void Usage_ZerosAfterNumbers_AreNoNumbers() => Assert.Equal(
        new TokenUsage { InputTokens = 8, OutputTokens = 1 },
        Read("""{"prompt_tokens":8,"completion_tokens":1}""", """{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}"""));

    [Fact]
    public void Usage_HiddenThinking_CountsWhereTheServerIsKnownForIt()
    {
        var numbers = new UsageNumbers();
        numbers.Overlay("""{"prompt_tokens":66,"completion_tokens":6,"total_tokens":100}"""u8);
        Assert.Equal(6, numbers.Normalise(surplusIsReasoning: false)!.Value.OutputTokens);
        Assert.Equal(34, numbers.Normalise(surplusIsReasoning: true)!.Value.OutputTokens);
        // As much as came from the cache, by chance.
        numbers = new UsageNumbers();
        numbers.Overlay("""{"prompt_tokens":8,"completion_tokens":18,"total_tokens":29,"prompt_tokens_details":{"cached_tokens":3}}"""u8);
        Assert.Equal(new TokenUsage { InputTokens = 8, CachedInputTokens = 3, OutputTokens = 21, ReasoningTokens = 3 }, numbers.Normalise(surplusIsReasoning: true));
    }

    private static TokenUsage? Read(params string[] usages)
    {
        var numbers = new UsageNumbers();
        foreach (var usage in usages) numbers.Overlay(Encoding.UTF8.GetBytes(usage));
        return numbers.Normalise(surplusIsReasoning: false);
    }
}
