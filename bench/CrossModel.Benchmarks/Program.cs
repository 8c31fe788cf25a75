using System.Globalization;
using System.Text.Json;
using CrossModel.Benchmarks;

// Allocated bytes against bench/budgets.json: exit 1 when one is over. Times are printed too, but judged by nobody: they differ from machine to machine.
//   --update        writes what was measured as the new budgets
//   --budgets FILE  (default: bench/budgets.json above the program)
var update = args.Contains("--update");
var at = Array.IndexOf(args, "--budgets");
var file = at >= 0 && at + 1 < args.Length ? args[at + 1] : Path.Combine(Root(), "bench", "budgets.json");
var budgets = File.Exists(file) ? JsonSerializer.Deserialize<SortedDictionary<string, double>>(await File.ReadAllTextAsync(file))! : [];

var measured = new List<Measured>();
BytesSubjects.Measure(measured);
await BooksSubjects.MeasureAsync(measured);

var over = 0;
foreach (var (name, bytes, nanoseconds) in measured)
{
    var budget = budgets.TryGetValue(name, out var known) ? known : double.NaN;
    // A pool that grows at an awkward moment must not fail a build: a fiftieth and a few bytes are free.
    var isOver = !(bytes <= budget * 1.02 + 8);
    if (isOver && !update) over++;
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name,-44} {bytes,10:0.0} bytes of {budget,8:0.#}  {nanoseconds,10:0} ns{(isOver && !update ? "  OVER BUDGET" : "")}"));
}
if (update)
{
    var next = new SortedDictionary<string, double>(measured.ToDictionary(m => m.Name, m => Math.Ceiling(m.Bytes)));
    await File.WriteAllTextAsync(file, JsonSerializer.Serialize(next, BudgetJson.Options) + "\n");
    Console.WriteLine($"{file} written");
}
else if (over > 0)
{
    Console.WriteLine($"{over} of {measured.Count} allocate more than their budget in {Path.GetFileName(file)}: take the allocation out, or raise the budget with a reason in the commit");
}
return over == 0 ? 0 : 1;

static string Root()
{
    for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        if (File.Exists(Path.Combine(folder.FullName, "CrossModel.slnx"))) return folder.FullName;
    return Directory.GetCurrentDirectory();
}

internal static class BudgetJson
{
    public static readonly JsonSerializerOptions Options = new() { WriteIndented = true };
}
