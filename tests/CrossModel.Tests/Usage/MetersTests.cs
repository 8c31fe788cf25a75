using CrossModel.Protocol;
using CrossModel.Usage;

namespace CrossModel.Tests.Usage;

public sealed class MetersTests
{
    [Fact]
    public void Histogram_CountsEachValueUnderItsBoundAndAllAbove()
    {
        var histogram = new Histogram([0.1, 1]);
        foreach (var seconds in new[] { 0.05, 0.1, 0.5, 7 }) histogram.Add(TimeSpan.FromSeconds(seconds));
        Assert.Equal([2, 3, 4], histogram.Cumulative());
        Assert.Equal(7.65, histogram.Sum, 6);
    }

    [Fact]
    public void Text_IsPrometheusFormat_WithLabelsEscaped()
    {
        var text = new MetricsText();
        text.Family("a_total", "counter", "All a.").Sample(3, ("who", "x\"y\\z\n"));
        text.Family("b_seconds", "histogram", "B.").Samples(new Histogram([0.5]), ("m", "n"));
        Assert.Equal("""
            # HELP a_total All a.
            # TYPE a_total counter
            a_total{who="x\"y\\z\n"} 3
            # HELP b_seconds B.
            # TYPE b_seconds histogram
            b_seconds_bucket{m="n",le="0.5"} 0
            b_seconds_bucket{m="n",le="+Inf"} 0
            b_seconds_sum{m="n"} 0
            b_seconds_count{m="n"} 0

            """.ReplaceLineEndings("\n"), text.ToString());
    }

    [Fact]
    public void Call_OfAKnownSeries_AllocatesNothing()
    {
        var meters = new Meters();
        void Count() => meters.Call("a/b", "up", 200, new TokenUsage { InputTokens = 10, OutputTokens = 5 }, TimeSpan.FromMilliseconds(20), TimeSpan.FromMilliseconds(3));
        long Run()
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            for (var i = 0; i < 100; i++)
            {
                Count();
                meters.Attempt("up", "ok");
            }
            return GC.GetAllocatedBytesForCurrentThread() - before;
        }
        Run(); // the series and what the runtime makes on first use
        Assert.Equal(0, Run());
        Assert.Equal((200, 2000), (meters.AllSeries.Single().Value.Statuses[200].Value, meters.AllSeries.Single().Value.Input.Value));
    }
}
