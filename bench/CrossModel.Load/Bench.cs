using System.Globalization;

namespace CrossModel.Load;

/// <summary>Starts the processes and drives them, part by part. Within a part targets take turns every round, and a ratio is the median of the rounds' own ratios.</summary>
internal sealed class Bench(string folder, string program, string? postgres, int rounds, int streams, bool quick)
{
    private static readonly string Here = typeof(Bench).Assembly.Location;
    private readonly string _log = Path.Combine(folder, "log");
    private int _houses;
    private Child _standIn = null!;

    public Table Table { get; } = new();

    public async Task RunAsync(IReadOnlyCollection<string> parts)
    {
        // Its idle threads must not spin on the two cores that the others need.
        using var standIn = await Child.StartAsync($"'{Here}' stand-in", _log, ("DOTNET_ThreadPool_UnfairSemaphoreSpinLimit", "0"));
        _standIn = standIn;
        var house = await BuildAsync(1, 1, 1);
        if (parts.Contains("start")) await StartAsync(house);
        if (parts.Any(p => p is "requests" or "streams" or "slow"))
        {
            using var forwarder = await ForwarderAsync();
            using var gateway = await GatewayAsync(house);
            Target[] targets = [new("direct", standIn, "", house.Keys), new("forwarder", forwarder, "", house.Keys), new("gateway", gateway, "bench/", house.Keys)];
            await WarmAsync(targets);
            if (parts.Contains("requests")) await RequestsAsync(targets);
            if (parts.Contains("streams")) await StreamsAsync(targets);
            if (parts.Contains("slow")) await SlowAsync(targets);
        }
        if (parts.Contains("silent")) await SilentAsync(house);
        if (parts.Contains("many")) await ManyAsync(house);
        if (parts.Contains("settle")) await SettleAsync(house);
    }

    /// <summary>Kinds of traffic by name, the gateway and the forwarder in turns.</summary>
    public async Task RunOneAsync(string name)
    {
        using var standIn = await Child.StartAsync($"'{Here}' stand-in", _log, ("DOTNET_ThreadPool_UnfairSemaphoreSpinLimit", "0"));
        _standIn = standIn;
        var house = await BuildAsync(1, 1, 1);
        using var forwarder = await ForwarderAsync();
        using var gateway = await GatewayAsync(house);
        Target[] targets = [new("forwarder", forwarder, "", house.Keys), new("gateway", gateway, "bench/", house.Keys)];
        await WarmAsync(targets);
        foreach (var traffic in Kinds(quick).Where(k => k.Name.Contains(name, StringComparison.Ordinal)))
            Table.Add(traffic.Name, Ratio(await CompareAsync(targets, traffic), r => r.Cpu));
    }

    private Task<House> BuildAsync(int models, int accounts, int keysEach) =>
        House.BuildAsync(Path.Combine(folder, "house" + _houses++), _standIn.Address, models, accounts, keysEach, postgres);

    private Task<Child> ForwarderAsync() => Child.StartAsync($"'{Here}' forwarder {_standIn.Address}", _log);

    private Task<Child> GatewayAsync(House house) => Child.StartAsync($"'{program}' serve --config '{house.File}'", _log);

    private static Traffic[] Kinds(bool quick)
    {
        var scale = quick ? 2 : 1;
        return
        [
            new("small, 4 callers", "plain", 4, 1500 / scale, 400),
            new("small, 32 callers", "plain", 32, 6000 / scale, 400),
            new("small, 128 callers", "plain", 128, 8000 / scale, 400),
            new("32 KB, 32 callers", "plain", 32, 3000 / scale, 32 * 1024),
            new("1 MB, 8 callers", "plain", 8, 200 / scale, 1024 * 1024),
            new("paced, 64 streams, 20 ms", "paced-50-20", 64, 128, 400, 51),
            new("bulk, 200 events at once, 16 callers", "bulk-200", 16, 800 / scale, 400, 201),
            new("slow, 1,500 streams, 0.5 s", "paced-20-500", 1500, 1500, 400, 21),
            new("paced, 16 streams, the first event at once", "prompt-6-20", 16, 320 / scale, 400, 7),
        ];
    }

    private async Task RequestsAsync(Target[] targets)
    {
        var kinds = Kinds(quick);
        var small4 = await CompareAsync(targets, kinds[0]);
        var small32 = await CompareAsync(targets, kinds[1]);
        var small128 = await CompareAsync(targets, kinds[2]);
        var middle = await CompareAsync(targets, kinds[3]);
        var large = await CompareAsync(targets, kinds[4]);
        Table.Add("CPU per small request, 32 callers", Ratio(small32, r => r.Cpu), 2.0);
        Table.Add("CPU per small request, 128 callers", Ratio(small128, r => r.Cpu), 1.5);
        Table.Add("CPU per 32 KB request", Ratio(middle, r => r.Cpu), 1.7);
        Table.Add("CPU per 1 MB request", Ratio(large, r => r.Cpu), 1.7);
        double PerByte(Round[][] more, Round[][] less, int bytes) => (Quantiles.Median(more[2].Select(r => r.Cpu)) - Quantiles.Median(less[2].Select(r => r.Cpu))) / bytes;
        Table.Add("CPU per byte beyond 32 KB, to that up to 32 KB (the gateway's own)", PerByte(large, middle, 992 * 1024) / PerByte(middle, small32, 32 * 1024 - 400), 1.4);
        Table.Add("added time of a small request p50, 4 callers", Added(small4, r => r.Total.P50));
        Table.Add("added time of a small request p99, 4 callers", Added(small4, r => r.Total.P99));
    }

    private async Task StreamsAsync(Target[] targets)
    {
        var kinds = Kinds(quick);
        var paced = await CompareAsync(targets, kinds[5]);
        var bulk = await CompareAsync(targets, kinds[6]);
        // Where the first event waits for the stand-in's clock, the steps of that are larger than what is measured.
        var prompt = await CompareAsync(targets, kinds[8]);
        Table.Add("CPU per paced event, 64 streams", Ratio(paced, r => r.Cpu), 0.85);
        Table.Add("CPU per event of streams that come all at once", Ratio(bulk, r => r.Cpu), 2.3);
        Table.Add("added time to first event p50", Added(prompt, r => r.First.P50), 1.6);
        Table.Add("added delay per event p50", Added(paced, r => r.Delay.P50), 1.25);
        Table.Add("added delay per event p99", Added(paced, r => r.Delay.P99), 2.0);
    }

    private async Task SlowAsync(Target[] targets) =>
        Table.Add("CPU per event with 1,500 slow streams", Ratio(await CompareAsync(targets[1..], Kinds(quick)[7], Math.Min(rounds, 3), warming: 1), r => r.Cpu), 0.9);

    /// <summary>Each against fresh processes: memory grows with the streams and with nothing else.</summary>
    private async Task SilentAsync(House house)
    {
        var traffic = new Traffic("silent", "silent", streams, streams, 400, 1);
        async Task<double> KbAsync(Func<Task<Child>> start, string prefix)
        {
            using var process = await start();
            var warm = new Target("", process, prefix, house.Keys);
            await warm.RunAsync(new Traffic("warm", "bulk-200", 64, 640, 400, 201));
            await Task.Delay(1000);
            var before = process.ResidentKb;
            var callers = new List<Caller>();
            try
            {
                var request = traffic.Request(prefix + traffic.Behaviour, house.Keys[0], process.Address);
                for (var i = 0; i < streams; i += 50)
                {
                    var some = await Task.WhenAll(Enumerable.Range(0, Math.Min(50, streams - i)).Select(_ => Caller.ConnectAsync(process.Address)));
                    callers.AddRange(some);
                    await Task.WhenAll(some.Select(c => c.AskAsync(request, new Seen(), untilFirst: true)));
                }
                await Task.Delay(2000);
                return (process.ResidentKb - before) / (double)streams;
            }
            finally
            {
                foreach (var caller in callers) caller.Dispose();
            }
        }
        var (floor, own) = (new List<double>(), new List<double>());
        for (var i = 0; i < (quick ? 1 : 3); i++)
        {
            floor.Add(await KbAsync(ForwarderAsync, ""));
            own.Add(await KbAsync(() => GatewayAsync(house), "bench/"));
        }
        Say($"silent streams, {streams} open: forwarder {Quantiles.Median(floor):0.0} KB, gateway {Quantiles.Median(own):0.0} KB each");
        Table.Add($"KB per silent stream, {streams} open", Quantiles.Median(own) / Quantiles.Median(floor), 1.25);
    }

    private async Task StartAsync(House house)
    {
        var (floor, own) = (new List<(double Ms, double Kb)>(), new List<(double Ms, double Kb)>());
        async Task<(double, double)> MeasureAsync(Func<Task<Child>> start)
        {
            using var process = await start();
            await Task.Delay(700);
            return (process.StartMs, process.ResidentKb);
        }
        // The first of each fills the disk cache.
        for (var i = 0; i <= rounds; i++)
        {
            var (a, b) = (await MeasureAsync(ForwarderAsync), await MeasureAsync(() => GatewayAsync(house)));
            if (i == 0) continue;
            floor.Add(a);
            own.Add(b);
        }
        Say($"start: forwarder {Quantiles.Median(floor.Select(f => f.Ms)):0} ms, gateway {Quantiles.Median(own.Select(f => f.Ms)):0} ms; idle: {Quantiles.Median(floor.Select(f => f.Kb)) / 1024:0} and {Quantiles.Median(own.Select(f => f.Kb)) / 1024:0} MB");
        Table.Add("cold start", Quantiles.Median(floor.Zip(own, (f, o) => o.Ms / f.Ms)), 2.0);
        Table.Add("resident memory idle", Quantiles.Median(floor.Zip(own, (f, o) => o.Kb / f.Kb)), 1.6);
    }

    /// <summary>A gateway with many of everything against one with one of each.</summary>
    private async Task ManyAsync(House one)
    {
        var many = quick ? await BuildAsync(200, 1000, 5) : await BuildAsync(1000, 10_000, 10);
        Say($"{many.Models} models, {many.Keys.Count} keys");
        var starts = new List<double>();
        for (var i = 0; i < 3; i++)
        {
            double first;
            using (var process = await GatewayAsync(one)) first = process.StartMs;
            using (var process = await GatewayAsync(many)) starts.Add(process.StartMs / first);
        }
        using var few = await GatewayAsync(one);
        using var lots = await GatewayAsync(many);
        Target[] targets = [new("one of each", few, "bench/", one.Keys), new("many, one called", lots, "bench/", many.Keys), new("many, all called", lots, "bench/", many.Keys, many.Models - House.Behaviours.Count)];
        await WarmAsync(targets);
        var traffic = await CompareAsync(targets, new Traffic("small, 32 callers", "plain", 32, 6000, 400));
        Table.Add("many models, accounts, keys to one of each: CPU per request", Ratio(traffic, r => r.Cpu, 1, 0), 1.15);
        Table.Add("  … with the calls spread over 2,000 keys of all accounts", Ratio(traffic, r => r.Cpu, 2, 0), 1.15);
        Table.Add("many models, accounts, keys to one of each: cold start", Quantiles.Median(starts), 2.0);
    }

    /// <summary>The same build with settlement and with one that does nothing; the gateway's own runtime settings.</summary>
    private async Task SettleAsync(House house)
    {
        var runtime = Path.ChangeExtension(program, "runtimeconfig.json");
        Task<Child> Hosted(House of, string settle) => Child.StartAsync($"exec --runtimeconfig '{runtime}' '{Here}' gateway '{of.File}' {settle}", _log);
        using var with = await Hosted(house, "settle");
        var other = await BuildAsync(1, 1, 1);
        using var without = await Hosted(other, "none");
        Target[] targets = [new("no settlement", without, "bench/", other.Keys), new("settlement", with, "bench/", house.Keys)];
        await WarmAsync(targets);
        foreach (var callers in (int[])[32, 128])
        {
            var traffic = await CompareAsync(targets, new Traffic($"small, {callers} callers", "plain", callers, 6000, 400), Math.Max(5, rounds));
            Table.Add($"settlement to none: CPU per small request, {callers} callers", Ratio(traffic, r => r.Cpu, 1, 0), 1.25);
        }
    }

    /// <summary>Fresh processes: what all kinds of traffic need.</summary>
    private Task WarmAsync(Target[] targets) => WarmAsync(targets, new Traffic("small, 64 callers", "plain", 64, 8000, 400), least: 5, most: 60);

    /// <summary>
    /// Code that runs often is compiled twice more in the background, some of it late; until that is done what is measured is the compiler. Done: two
    /// rounds on end without it.
    /// </summary>
    private async Task WarmAsync(Target[] targets, Traffic traffic, int least, int most)
    {
        var (compiling, calm) = (1.0, 0);
        for (var i = 0; i < (quick ? Math.Max(1, most / 4) : most) && (i < least || calm < 2); i++)
        {
            compiling = 0;
            foreach (var target in targets)
            {
                var (cpu, compiler) = (target.Process.CpuMicroseconds, target.Process.CompilerMicroseconds);
                await target.RunAsync(traffic);
                // An idle compiler's thread ends, and the next one counts from nothing.
                var compiled = target.Process.CompilerMicroseconds;
                compiling = Math.Max(compiling, (compiled < compiler ? compiled : compiled - compiler) / (target.Process.CpuMicroseconds - cpu));
            }
            calm = compiling < 0.01 ? calm + 1 : 0;
        }
        if (most > 1 && calm == 0) Say($"{traffic.Name}: not quite warm, the compiler takes {compiling * 100:0} % of the CPU time");
    }

    /// <summary>Rounds of one kind of traffic, the targets taking turns. Answers target by target.</summary>
    private async Task<Round[][]> CompareAsync(Target[] targets, Traffic traffic, int? count = null, int warming = 8)
    {
        var all = targets.Select(_ => new List<Round>()).ToArray();
        await WarmAsync(targets, traffic, least: 1, most: warming);
        for (var i = 0; i < (count ?? rounds); i++)
            for (var t = 0; t < targets.Length; t++)
            {
                var turn = (t + i) % targets.Length;
                all[turn].Add(await targets[turn].RunAsync(traffic));
            }
        Say($"{traffic.Name}");
        for (var t = 0; t < targets.Length; t++)
        {
            double Of(Func<Round, double> of) => Quantiles.Median(all[t].Select(of));
            Say($"  {targets[t].Name,-18} {Of(r => r.PerSecond),8:0} requests/s  cpu {Of(r => r.Cpu),7:0.0} µs  p50 {Of(r => r.Total.P50),8:0.00} ms  p99 {Of(r => r.Total.P99),8:0.00} ms" +
                (traffic.Events > 0 ? $"  first event {Of(r => r.First.P50):0.00}  event delay {Of(r => r.Delay.P50):0.000} / {Of(r => r.Delay.P99):0.000} ms" : ""));
        }
        return [.. all.Select(a => a.ToArray())];
    }

    private static double Ratio(Round[][] rounds, Func<Round, double> of, int above = 2, int below = 1)
    {
        if (rounds.Length == 2) (above, below) = (1, 0);
        return Quantiles.Median(rounds[above].Zip(rounds[below], (a, b) => of(a) / of(b)));
    }

    /// <summary>What the gateway adds to the direct way, as a multiple of what the forwarder adds.</summary>
    private static double Added(Round[][] rounds, Func<Round, double> of)
    {
        double Median(int target) => Quantiles.Median(rounds[target].Select(of));
        return (Median(2) - Median(0)) / (Median(1) - Median(0));
    }

    private static void Say(FormattableString line) => Console.WriteLine(line.ToString(CultureInfo.InvariantCulture));
    private static void Say(string line) => Console.WriteLine(line);
}
