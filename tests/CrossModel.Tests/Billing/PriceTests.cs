using CrossModel.Billing;
using CrossModel.Protocol;
using CrossModel.Usage;
using CsCheck;

namespace CrossModel.Tests.Billing;

public sealed class PriceTests
{
    private const long Dollar = Usd.Nano;

    private static readonly PriceVersion Tiered = new()
    {
        Input = 2 * Dollar,
        CachedInput = Dollar / 5,
        Output = 10 * Dollar,
        Tiers = [new PriceTier(200_000, Input: 4 * Dollar, Output: 15 * Dollar), new PriceTier(1_000_000, Input: 8 * Dollar)],
    };

    private static readonly MediaTokens Media = new(Image: 2000, Page: 300, AudioSecond: 50, Video: 20_000);

    private static TokenUsage Usage(long input, long output, long cached = 0, long written = 0, long reasoning = 0, long hour = 0, long heard = 0, long spoken = 0) => new()
    {
        InputTokens = input,
        OutputTokens = output,
        CachedInputTokens = cached,
        CacheWriteTokens = written,
        ReasoningTokens = reasoning,
        CacheWriteHourTokens = hour,
        AudioInputTokens = heard,
        AudioOutputTokens = spoken,
    };

    [Theory]
    [InlineData("0", 0L)]
    [InlineData("10", 10_000_000_000L)]
    [InlineData("0.000000001", 1L)]
    [InlineData("007.50", 7_500_000_000L)]
    [InlineData("9223372036.854775807", long.MaxValue)]
    public void Usd_PlainDecimal_IsRead(string text, long nano) => Assert.Equal(nano, Usd.Parse(text));

    [Theory]
    [InlineData("")]
    [InlineData("-1")]
    [InlineData("+1")]
    [InlineData("1e3")]
    [InlineData(".5")]
    [InlineData("5.")]
    [InlineData("1,5")]
    [InlineData(" 1")]
    [InlineData("0.0000000001")]
    [InlineData("9223372036.854775808")]
    [InlineData("99999999999999999999999999999999999999999999999999")]
    [InlineData("١")]
    public void Usd_AnythingElse_IsRefused(string text) => Assert.Null(Usd.Parse(text));

    [Theory]
    [InlineData(0L, "0.00")]
    [InlineData(1L, "0.000000001")]
    [InlineData(12_300_000L, "0.0123")]
    [InlineData(-1_500_000_000L, "-1.50")]
    [InlineData(long.MinValue, "-9223372036.854775808")]
    public void Usd_Amount_IsWrittenWithoutExponent(long nano, string text) => Assert.Equal(text, Usd.Format(nano));

    [Fact]
    public void Usd_WrittenAndRead_IsTheSame() => Gen.Long[0, long.MaxValue].Sample(nano => Usd.Parse(Usd.Format(nano)) == nano);

    // By hand: 1,000 − 300 − 200 = 500 input at 3, 300 cached at 0.30, 200 written at 3.75, 100 − 40 = 60 output at 15, 40 reasoning at 20:
    // 1,500 + 90 + 750 + 900 + 800 = 4,040 USD per million = 0.00404 USD.
    [Fact]
    public void Bill_EveryClass_HasItsOwnLine()
    {
        var price = new PriceVersion { Input = 3 * Dollar, CachedInput = 3 * Dollar / 10, CacheWrite = 15 * Dollar / 4, Output = 15 * Dollar, Reasoning = 20 * Dollar };
        var bill = price.Compute(new CallUsage(Usage(1000, 100, cached: 300, written: 200, reasoning: 40)));
        Assert.Equal(4_040_000, bill.Total);
        Assert.Equal([("input", 500L), ("cached_input", 300), ("cache_write", 200), ("output", 60), ("reasoning", 40)], bill.Lines.Select(l => (l.Class, l.Count)));
    }

    // By hand: 1,000 − 100 − 300 − 200 = 400 input at 2.50, 100 cached at 0.25, 300 − 250 = 50 written at 3.125, 250 for an hour at 5, 200 heard at 40,
    // 500 − 60 − 400 = 40 output at 10, 60 reasoning at 12, 400 spoken at 80:
    // 1,000 + 25 + 156.25 + 1,250 + 8,000 + 400 + 720 + 32,000 = 43,551.25 USD per million = 0.04355125 USD.
    [Fact]
    public void Bill_SoundAndHourlyWrites_HaveLinesOfTheirOwn()
    {
        var price = new PriceVersion
        {
            Input = 5 * Dollar / 2,
            CachedInput = Dollar / 4,
            CacheWrite = 25 * Dollar / 8,
            CacheWriteHour = 5 * Dollar,
            AudioInput = 40 * Dollar,
            Output = 10 * Dollar,
            Reasoning = 12 * Dollar,
            AudioOutput = 80 * Dollar,
        };
        var bill = price.Compute(new CallUsage(Usage(1000, 500, cached: 100, written: 300, reasoning: 60, hour: 250, heard: 200, spoken: 400)));
        Assert.Equal(43_551_250, bill.Total);
        Assert.Equal([("input", 400L), ("cached_input", 100), ("cache_write", 50), ("cache_write_hour", 250), ("audio_input", 200), ("output", 40), ("reasoning", 60), ("audio_output", 400)],
            bill.Lines.Select(l => (l.Class, l.Count)));
    }

    [Fact]
    public void Price_OfSoundAndHourlyWrites_IsWhatItsClassDefaultsTo()
    {
        var bare = new PriceVersion { Input = 3, Output = 7 }.For(1);
        Assert.Equal((3L, 3L, 7L), (bare.CacheWriteHour, bare.AudioInput, bare.AudioOutput));
        Assert.Equal(4, new PriceVersion { Input = 3, CacheWrite = 4, Output = 7 }.For(1).CacheWriteHour);
        var tiered = new PriceVersion
        {
            Input = 3,
            CacheWriteHour = 6,
            Output = 7,
            AudioOutput = 70,
            Tiers = [new PriceTier(10, Input: 30), new PriceTier(20, CacheWriteHour: 60, AudioInput: 300, AudioOutput: 700)],
        };
        Assert.Equal((6L, 30L, 70L), (tiered.For(11).CacheWriteHour, tiered.For(11).AudioInput, tiered.For(11).AudioOutput));
        Assert.Equal((60L, 300L, 700L), (tiered.For(21).CacheWriteHour, tiered.For(21).AudioInput, tiered.For(21).AudioOutput));
    }

    // Usages as providers report them, computed by hand. 19 in and 10 out at 0.15 / 0.60: 2.85 + 6 = 8.85 µUSD.
    // 2,006 in of which 1,920 cached at 2.50 / 1.25, 300 out at 10: 86 × 2.5 + 1,920 × 1.25 + 3,000 = 215 + 2,400 + 3,000 = 5,615 µUSD.
    // 12 in and 1,184 out of which 960 reasoning at 1.10 / 4.40: 13.2 + 5,209.6 = 5,222.8 µUSD.
    [Theory]
    [InlineData(19, 0, 10, 0, "0.15", "0.15", "0.6", 8_850)]
    [InlineData(2006, 1920, 300, 0, "2.5", "1.25", "10", 5_615_000)]
    [InlineData(12, 0, 1184, 960, "1.1", "0.55", "4.4", 5_222_800)]
    public void Bill_RealUsage_IsWhatTheHandComputed(long input, long cached, long output, long reasoning, string inputPrice, string cachedPrice, string outputPrice, long nano)
    {
        var price = new PriceVersion { Input = Usd.Parse(inputPrice)!.Value, CachedInput = Usd.Parse(cachedPrice), Output = Usd.Parse(outputPrice)!.Value };
        Assert.Equal(nano, price.Compute(new CallUsage(Usage(input, output, cached, reasoning: reasoning))).Total);
    }

    [Theory]
    [InlineData(499_999, 0)]
    [InlineData(500_000, 1)]
    [InlineData(1_499_999, 1)]
    [InlineData(1_500_000, 2)]
    public void Bill_HalfANanoDollar_RoundsUpOnce(long nanoPerMillion, long expected) =>
        Assert.Equal(expected, new PriceVersion { Input = nanoPerMillion, Output = 0 }.Compute(new CallUsage(Usage(1, 0))).Total);

    // Two calls of half a nano-dollar each make one, not two.
    [Fact]
    public void Bill_SeveralCalls_AreRoundedTogether() =>
        Assert.Equal(1, new PriceVersion { Input = 500_000, Output = 0 }.Compute(new CallUsage(Usage(1, 0)), new CallUsage(Usage(1, 0))).Total);

    [Theory]
    [InlineData(200_000, 2, 10)]
    [InlineData(200_001, 4, 15)]
    [InlineData(1_000_001, 8, 10)] // the highest tier names no output: it comes from the base, not from the tier below
    public void Tier_HighestExceeded_Applies(long prompt, long input, long output)
    {
        var prices = Tiered.For(prompt);
        Assert.Equal((input * Dollar, output * Dollar, Dollar / 5), (prices.Input, prices.Output, prices.CachedInput));
    }

    [Fact]
    public void Tier_AClassThatNobodyNames_CostsWhatItsOwnInputOrOutputDo()
    {
        var prices = new PriceVersion { Input = 3, Output = 7, Tiers = [new PriceTier(10, Input: 30, Output: 70)] }.For(11);
        Assert.Equal((30L, 30L, 70L), (prices.CachedInput, prices.CacheWrite, prices.Reasoning));
    }

    [Fact]
    public void Tier_SeveralCalls_EachPromptDecidesItsOwn()
    {
        var bill = Tiered.Compute(new CallUsage(Usage(200_000, 0)), new CallUsage(Usage(200_001, 0)));
        Assert.Equal([(200_000L, 2 * Dollar), (200_001, 4 * Dollar)], bill.Lines.Select(l => (l.Count, l.Price)));
    }

    [Fact]
    public void Bill_UnitsWithAPrice_AreLines()
    {
        var price = new PriceVersion { Input = 0, Output = 0, Request = Dollar / 100, Image = Dollar / 1000, AudioSecond = 7 };
        var bill = price.Compute(new CallUsage(Usage(5, 5), Images: 2, AudioSeconds: 3), new CallUsage(Usage(5, 5)));
        Assert.Equal(2 * Dollar / 100 + 2 * Dollar / 1000 + 21, bill.Total);
        Assert.Equal([("input", 10L), ("output", 10), ("request", 2), ("image", 2), ("audio_second", 3)], bill.Lines.Select(l => (l.Class, l.Count)));
    }

    [Fact]
    public void Bill_Free_HasNoLines() => Assert.Equal((0L, 0), (PriceList.Free.At(DateTimeOffset.UnixEpoch)!.Compute(new CallUsage(Usage(9, 9))).Total, PriceVersion.Free.Compute(new CallUsage(Usage(9, 9))).Lines.Count));

    private static readonly Gen<TokenUsage> GenUsage = Gen.Long[0, 1L << 31].Array[8].Select(n => Usage(n[0], n[1], n[2], n[3], n[4], n[5], n[6], n[7]));

    private static readonly Gen<PriceVersion> GenPrice = Gen.Select(Gen.Long[0, 1000 * Dollar], Gen.Long[0, 1000 * Dollar].Nullable().Array[5], Gen.Long[0, 1000 * Dollar], Gen.Long[0, 1 << 20],
        (input, further, output, above) => new PriceVersion
        {
            Input = input,
            CachedInput = further[0],
            CacheWriteHour = further[1],
            AudioInput = further[2],
            Output = output,
            Reasoning = further[3],
            AudioOutput = further[4],
            Tiers = [new PriceTier(above, Input: output), new PriceTier(above * 2, Output: input)],
        });

    [Fact]
    public void Bill_AnyUsage_IsTheExactSumRoundedOnce() => Gen.Select(GenPrice, GenUsage.Array[1, 4]).Sample((price, usages) =>
    {
        var bill = price.Compute([.. usages.Select(u => new CallUsage(u))]);
        // A reference in big integers, class by class, that shares nothing with the code but the definition.
        System.Numerics.BigInteger sum = 0;
        foreach (var u in usages)
        {
            var p = price.For(u.InputTokens);
            var cached = Math.Min(u.CachedInputTokens, u.InputTokens);
            var written = Math.Min(u.CacheWriteTokens, u.InputTokens - cached);
            var hour = Math.Min(u.CacheWriteHourTokens, written);
            var heard = Math.Min(u.AudioInputTokens, u.InputTokens - cached - written);
            var reasoning = Math.Min(u.ReasoningTokens, u.OutputTokens);
            var spoken = Math.Min(u.AudioOutputTokens, u.OutputTokens - reasoning);
            sum += (System.Numerics.BigInteger)p.Input * (u.InputTokens - cached - written - heard) + (System.Numerics.BigInteger)p.CachedInput * cached
                + (System.Numerics.BigInteger)p.CacheWrite * (written - hour) + (System.Numerics.BigInteger)p.CacheWriteHour * hour + (System.Numerics.BigInteger)p.AudioInput * heard
                + (System.Numerics.BigInteger)p.Output * (u.OutputTokens - reasoning - spoken) + (System.Numerics.BigInteger)p.Reasoning * reasoning
                + (System.Numerics.BigInteger)p.AudioOutput * spoken;
        }
        var expected = (sum + 500_000) / 1_000_000;
        Assert.Equal(expected, bill.Total);
        Assert.Equal(sum, (System.Numerics.BigInteger)PriceVersion.Sum(bill.Lines));
    });

    [Fact]
    public void AffordableOutput_AnyMoney_IsTheLargestCapThatFits() => Gen.Select(GenPrice, Gen.Long[0, 100 * Dollar], Gen.Long[0, 1 << 21], Gen.Int[1, 8], Gen.Bool).Sample((price, money, prompt, calls, speaks) =>
    {
        var size = new HoldSize(prompt, 0, calls, calls, AudioTokens: prompt / 3, Speaks: speaks);
        var cap = price.AffordableOutput(money, size);
        if (cap == long.MaxValue) return;
        if (price.Hold(size) <= money) Assert.True(price.Hold(size with { OutputTokens = cap }) <= money);
        else Assert.Equal(0, cap);
        Assert.True(price.Hold(size with { OutputTokens = cap + 1 }) > money);
    });

    [Fact]
    public void Hold_IsTheFormula()
    {
        var prompt = new PromptSize { Messages = 2, TextBytes = 100, Images = 1, Files = 1, FileBytes = 6001, Audios = 1, AudioBytes = 16_001, Videos = 1 };
        // ceil(100 ÷ 3) = 34, 2 × 8, 2,000, 3 pages × 300, 2 s × 50, 20,000
        Assert.Equal(34 + 16 + 2000 + 900 + 100 + 20_000, HoldEstimate.PromptTokens(prompt, Media));
        Assert.Equal(8192, HoldEstimate.OutputTokens(null, null));
        Assert.Equal(4096, HoldEstimate.OutputTokens(null, 4096));
        Assert.Equal(100_000, HoldEstimate.OutputTokens(100_000, 4096));
        var price = new PriceVersion { Input = Dollar, Output = 2 * Dollar, Request = 5 };
        Assert.Equal(2 * (1000 * 1000 + 5) + 2 * 2 * 500 * 1000, price.Hold(new HoldSize(1000, 500, Calls: 2, Candidates: 2)));
        Assert.Equal(3, HoldEstimate.CountTokens(9));
    }

    // Sent by name or by address a file has no bytes here, and a sound of a few bytes is a second all the same.
    [Fact]
    public void Hold_OfMediaWithoutBytes_IsForAPageAndASecondEach()
    {
        Assert.Equal(2 * 300, HoldEstimate.PromptTokens(new PromptSize { Files = 2 }, Media));
        Assert.Equal(3 * 50, HoldEstimate.PromptTokens(new PromptSize { Audios = 3, AudioBytes = 16_001 }, Media));
    }

    // A token costs half a nano-dollar: one of them rounds up to a whole one, and three to two.
    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 2)]
    [InlineData(2, 4)]
    public void AffordableOutput_WhereHalvesRoundUp_IsTheMostWhoseHoldIsThere(long available, long tokens)
    {
        var price = new PriceVersion { Input = 0, Output = 500_000 };
        Assert.Equal(tokens, price.AffordableOutput(available, new HoldSize(10, 100)));
        Assert.Equal((available, available + 1), (price.Hold(new HoldSize(10, tokens)), price.Hold(new HoldSize(10, tokens + 1))));
    }

    // Two calls of 400 tokens of text at 1 and 600 of sound at 40, two candidates of 500: spoken at the dearer of 2 and 80, written at 2.
    [Theory]
    [InlineData(false, 2 * (400 + 600 * 40) + 2 * 500 * 2)]
    [InlineData(true, 2 * (400 + 600 * 40) + 2 * 500 * 80)]
    public void Hold_OfSound_IsAtItsPrice(bool speaks, long micros)
    {
        var price = new PriceVersion { Input = Dollar, AudioInput = 40 * Dollar, Output = 2 * Dollar, AudioOutput = 80 * Dollar };
        var size = new HoldSize(1000, 500, Calls: 2, Candidates: 2, AudioSeconds: 12, AudioTokens: 600, Speaks: speaks);
        Assert.Equal(micros * 1000, price.Hold(size));
        Assert.Equal(500, price.AffordableOutput(micros * 1000, size));
        Assert.Equal(2 * (400 + 600 * 40) * 1000 + 2 * 500 * 2 * 1000, new PriceVersion { Input = Dollar, AudioInput = 40 * Dollar, Output = 2 * Dollar, AudioOutput = 0 }.Hold(size));
    }

    [Fact]
    public void Refusal_SaysWhatIsThere() => Assert.StartsWith(
        "Insufficient balance: needed 0.0123, held 0.004, available 0.0051 USD; 870 output tokens would be affordable",
        HoldEstimate.Refusal(12_300_000, 4_000_000, 5_100_000, 870), StringComparison.Ordinal);

    [Fact]
    public void PriceList_NewestBegunVersion_Holds()
    {
        var day = new DateTimeOffset(2026, 12, 1, 0, 0, 0, TimeSpan.Zero);
        var list = new PriceList([new PriceVersion { Input = 1, Output = 1 }, new PriceVersion { From = day, Input = 2, Output = 2 }, new PriceVersion { From = day.AddDays(9), Input = 3, Output = 3 }]);
        Assert.Equal(1, list.At(day.AddTicks(-1))!.Input);
        Assert.Equal(2, list.At(day)!.Input);
        Assert.Equal(3, list.At(day.AddYears(1))!.Input);
        Assert.Null(new PriceList([new PriceVersion { From = day, Input = 2, Output = 2 }]).At(day.AddTicks(-1)));
    }

    [Fact]
    public void PriceVersion_Name_IsItsDateOrAHashOfThePrice()
    {
        Assert.Equal("2026-12-01T00:00:00Z", new PriceVersion { From = new DateTimeOffset(2026, 12, 1, 2, 0, 0, TimeSpan.FromHours(2)), Input = 1, Output = 1 }.Name);
        Assert.Equal("free", PriceVersion.Free.Name);
        var name = new PriceVersion { Input = 1, Output = 1 }.Name;
        Assert.Equal(name, new PriceVersion { Input = 1, Output = 1 }.Name);
        Assert.NotEqual(name, new PriceVersion { Input = 1, Output = 2 }.Name);
        Assert.NotEqual(name, new PriceVersion { Input = 1, Output = 1, Tiers = [new PriceTier(5, Input: 2)] }.Name);
        Assert.NotEqual(name, new PriceVersion { Input = 1, Output = 1, AudioOutput = 1 }.Name);
        Assert.NotEqual(new PriceVersion { Input = 1, Output = 1, AudioInput = 1 }.Name, new PriceVersion { Input = 1, Output = 1, CacheWriteHour = 1 }.Name);
        // Names that stand on receipts since before there were prices for sound and for an hour's writes.
        Assert.Equal(("9a65e3e99a24", "1975185db001"), (name, new PriceVersion { Input = 1, Output = 1, Tiers = [new PriceTier(5, Input: 2)] }.Name));
    }

    [Fact]
    public void RecordText_WrittenAndRead_IsTheSame()
    {
        var record = Till.Record("acc_1", 42) with
        {
            ModelAsked = "x/other",
            ClientRequestId = "mine\n\"ü",
            Lines = [new CostLine("input", 42, 1_000_000)],
            OperatorCost = 7,
            OperatorCostIsPartial = true,
            Calls = 3,
            Images = 2,
            AudioSeconds = 9,
            Ignored = ["seed", "temperature=1"],
            Attempts = [new AttemptRecord("a", "m", "first_byte_timeout", null, 5, null, 9), new AttemptRecord("b", "m", "ok", 200, 6, 3, 8)],
            ErrorCode = "provider_error",
        };
        var (detail, hash) = Written(record);
        Assert.Equal(hash, RecordText.HashOf(detail));
        Assert.Equal((detail, hash), Written(RecordText.Read(detail)));
        var read = RecordText.Read(detail);
        Assert.Equal(("mine\n\"ü", 3, 2, 9, true), (read.ClientRequestId, read.Calls, read.Images, read.AudioSeconds, read.OperatorCostIsPartial));
    }

    // Written by the program before there were counts of sound and of an hour's writes: a record without them is written the same to this day.
    [Fact]
    public void RecordText_OfAnOlderProgram_ReadsAndKeepsItsHash()
    {
        const string old = """{"id":"req_1","account":"acc_1","key":"key_1","model":"a/b","created":1,"status":200,"stream":false,"basis":"reported","input":30,"cached":10,"written":5,"output":9,"reasoning":4,"version":"v1","price":15,"ms":3,"lines":[["input",15,1000000]],"attempts":[["up","m","ok",200,1,null,2]]}""";
        var record = RecordText.Read(old);
        Assert.Equal(Usage(30, 9, cached: 10, written: 5, reasoning: 4), record.Usage);
        Assert.Equal((old, RecordText.HashOf(old)), Written(record));
    }

    [Fact]
    public void RecordText_OfAnOlderProgramWithLinesForUnits_TellsTheirNumberFromThem()
    {
        var record = RecordText.Read("""{"id":"req_1","account":"acc_1","key":"key_1","model":"a/b","created":1,"status":200,"stream":false,"basis":"reported","input":30,"cached":0,"written":0,"output":0,"reasoning":0,"version":"v1","price":15,"ms":3,"lines":[["request",3,1],["image",6,1],["audio_second",12,1]],"attempts":[]}""");
        Assert.Equal((3, 2, 4), (record.Calls, record.Images, record.AudioSeconds));
    }

    [Fact]
    public void RecordText_WithSoundAndHourlyWrites_KeepsTheCounts()
    {
        var usage = Usage(30, 9, cached: 10, written: 5, reasoning: 4, hour: 3, heard: 2, spoken: 1);
        Assert.Equal(usage, RecordText.Read(Written(Till.Record("acc_1", 42) with { Usage = usage }).Detail).Usage);
    }

    private static (string Detail, string Hash) Written(RequestRecord record)
    {
        var (utf8, hash) = RecordText.Write(record);
        return (System.Text.Encoding.UTF8.GetString(utf8), hash);
    }

    /// <summary>A caller's cap may be as large as a number gets: nothing that is computed from it may turn negative.</summary>
    [Fact]
    public void Hold_OfAnEnormousCap_StaysANumber()
    {
        var size = new HoldSize(10, HoldEstimate.OutputTokens(long.MaxValue, null), Calls: 8, Candidates: 128);
        Assert.InRange(size.Tokens, 1_000_000_000_000, long.MaxValue / 1024);
        Assert.InRange(new PriceVersion { Input = 1, Output = long.MaxValue }.Hold(size), 1_000_000_000_000_000_000, long.MaxValue / 2);
    }

    /// <summary>A model that thinks dearer than it writes may do nothing else.</summary>
    [Fact]
    public void Hold_OfAModelThatThinksDearly_IsForThinking()
    {
        var price = new PriceVersion { Input = 0, Output = 0, Reasoning = 10_000_000 };
        Assert.Equal(1000, price.Hold(new HoldSize(10, 100)));
        Assert.Equal(50, price.AffordableOutput(500, new HoldSize(10, 100)));
    }
}
