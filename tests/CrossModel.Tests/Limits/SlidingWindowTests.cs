using CrossModel.Limits;
using CsCheck;

namespace CrossModel.Tests.Limits;

public sealed class SlidingWindowTests
{
    private const long Second = TimeSpan.TicksPerSecond;

    private static readonly Gen<(long Wait, long Amount)[]> Steps = Gen.Select(Gen.Long[0, 20 * Second], Gen.Long[1, 5]).Array[1, 200];

    [Fact]
    public void Window_EachMomentItsOwn_CountsExactlyTheLastMinute() => Steps.Sample(steps =>
    {
        var (window, seen, now) = (new SlidingWindow(), new List<(long Time, long Amount)>(), 0L);
        foreach (var (wait, amount) in steps)
        {
            now += wait;
            window.Add(now, amount, grain: 0);
            seen.Add((now, amount));
            Assert.Equal(Sum(seen, now - SlidingWindow.Length, now), window.Used(now));
        }
    });

    [Fact]
    public void Window_MomentsOfASecondShared_NeverForgetsEarlyAndAtMostASecondLate() => Steps.Sample(steps =>
    {
        var (window, seen, now) = (new SlidingWindow(), new List<(long Time, long Amount)>(), 0L);
        foreach (var (wait, amount) in steps)
        {
            now += wait / 20; // half a second or so: entries that went on taking in what follows them would never leave
            window.Add(now, amount, Second);
            seen.Add((now, amount));
            Assert.InRange(window.Used(now), Sum(seen, now - SlidingWindow.Length, now), Sum(seen, now - SlidingWindow.Length - Second, now));
        }
    });

    [Fact]
    public void Window_OfABusyMinute_KeepsAnEntryASecond()
    {
        var (window, newest) = (new SlidingWindow(), 0L);
        for (var now = 0L; now < SlidingWindow.Length; now += Second / 50) newest = window.Add(now, 1, Second);
        Assert.Equal((59, 3000), (newest, window.Used(SlidingWindow.Length - 1)));
    }

    [Fact]
    public void Window_AdmittingByIt_NeverAdmitsMoreThanTheLimitInAnyMinute() => Gen.Select(Steps, Gen.Long[5, 40]).Sample((steps, limit) =>
    {
        var (window, admitted, now) = (new SlidingWindow(), new List<(long Time, long Amount)>(), 0L);
        foreach (var (wait, amount) in steps)
        {
            now += wait / 10;
            if (window.Wait(now, limit, amount) > 0) continue;
            window.Add(now, amount, Second);
            admitted.Add((now, amount));
        }
        foreach (var (end, _) in admitted) Assert.InRange(Sum(admitted, end - SlidingWindow.Length, end), 0, limit);
    });

    [Fact]
    public void Wait_WhenOver_EndsExactlyWhenTheAmountFits() => Gen.Select(Steps, Gen.Long[5, 40]).Sample((steps, limit) =>
    {
        var (window, now) = (new SlidingWindow(), 0L);
        foreach (var (wait, amount) in steps)
        {
            now += wait / 10;
            window.Add(now, amount, grain: 0);
            var ticks = window.Wait(now, limit, 5);
            if (ticks == 0) continue;
            Assert.True(window.Used(now + ticks - 1) + 5 > limit);
            Assert.True(window.Used(now + ticks) + 5 <= limit);
            now += ticks;
        }
    });

    [Fact]
    public void Reduce_EntryInTheWindow_GivesTheAmountBackAndAGoneOneNothing()
    {
        var window = new SlidingWindow();
        var old = window.Add(0, 10, 0);
        var young = window.Add(30 * Second, 10, 0);
        window.Reduce(young, 4);
        Assert.Equal(16, window.Used(30 * Second));
        Assert.Equal(6, window.Used(SlidingWindow.Length));
        window.Reduce(old, 10);
        Assert.Equal(6, window.Used(SlidingWindow.Length));
    }

    private static long Sum(List<(long Time, long Amount)> seen, long after, long until) =>
        seen.Where(entry => entry.Time > after && entry.Time <= until).Sum(entry => entry.Amount);
}
