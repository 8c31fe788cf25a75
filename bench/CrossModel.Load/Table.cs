using System.Globalization;

namespace CrossModel.Load;

/// <summary>The ratios at the end, each beside its goal.</summary>
internal sealed class Table
{
    private readonly List<(string Name, double Value, double? Goal)> _rows = [];

    public void Add(string name, double value, double? goal = null) => _rows.Add((name, value, goal));

    public void Print()
    {
        Console.WriteLine();
        Console.WriteLine($"{"ratio to the forwarder in this run",-66} {"is",7} {"at most",8}");
        foreach (var (name, value, goal) in _rows)
        {
            var verdict = goal is null ? "" : value <= goal ? "pass" : "MISS";
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name,-66} {value,7:0.00} {goal,8:0.00} {verdict}"));
        }
    }
}
