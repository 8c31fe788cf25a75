using System.Globalization;

namespace CrossModel.Load;

/// <summary>The load run: one command, all parts interleaved, a table of ratios at the end.</summary>
internal static class LoadRun
{
    private const string Usage = """
        usage: dotnet run -c Release --project bench/CrossModel.Load -- [options]
          --quick            fewer rounds, under a minute; the table's figures are rougher
          --rounds N         rounds of each kind of traffic (5)
          --streams N        silent streams held open (4000; quick: 1000)
          --only A,B         of: requests, streams, slow, silent, start, many, settle
          --traffic TEXT     only the kinds of traffic whose name holds it, without a table: to look at one with a profiler
          --program FILE     the gateway's crossmodel.dll (default: published for this run)
          --postgres URL     books on PostgreSQL instead of SQLite
          --folder DIR       where the books are kept meanwhile (a disk, not memory: the commit is part of the cost)
        """;

    public static async Task<int> RunAsync(string[] args)
    {
        var options = new Dictionary<string, string>();
        for (var i = 0; i < args.Length; i++)
        {
            if (args[i] == "--quick") options["quick"] = "";
            else if (args[i] is "--rounds" or "--streams" or "--only" or "--traffic" or "--program" or "--postgres" or "--folder" && i + 1 < args.Length) options[args[i][2..]] = args[++i];
            else
            {
                Console.WriteLine(Usage);
                return 2;
            }
        }
        var quick = options.ContainsKey("quick");
        int Number(string name, int usual) => options.TryGetValue(name, out var text) ? int.Parse(text, CultureInfo.InvariantCulture) : usual;
        var only = options.TryGetValue("only", out var parts) ? parts.Split(',') : quick ? ["requests", "streams", "start"] : ["requests", "streams", "slow", "silent", "start", "many", "settle"];
        var folder = Directory.CreateDirectory(Path.Combine(options.GetValueOrDefault("folder", Path.GetTempPath()), "crossmodel-load-" + Path.GetRandomFileName())).FullName;
        try
        {
            if ((options.GetValueOrDefault("program") ?? await Published.MakeAsync(Path.Combine(folder, "program"))) is not { } program) return 1;
            var bench = new Bench(folder, program, options.GetValueOrDefault("postgres"), Number("rounds", quick ? 3 : 5), Number("streams", quick ? 1000 : 4000), quick);
            if (options.TryGetValue("traffic", out var name)) await bench.RunOneAsync(name);
            else await bench.RunAsync(only);
            bench.Table.Print();
            return 0;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
