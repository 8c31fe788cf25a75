using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace CrossModel.Load;

/// <summary>A process under test. Its CPU time and memory are read from the kernel, so that measuring costs it nothing.</summary>
internal sealed class Child : IDisposable
{
    private readonly Process _process;

    private Child(Process process, Uri address, double startMs) => (_process, Address, StartMs) = (process, address, startMs);

    public Uri Address { get; }

    /// <summary>From the start of the process until it said where it listens.</summary>
    public double StartMs { get; }

    /// <param name="arguments">Of <c>dotnet</c>.</param>
    /// <param name="log">Where its stderr goes.</param>
    public static async Task<Child> StartAsync(string arguments, string log, params (string Name, string Value)[] environment)
    {
        // Through the shell, which then becomes the program: a file takes its log without anybody having to read a pipe.
        var start = new ProcessStartInfo("/bin/sh") { RedirectStandardOutput = true, RedirectStandardInput = true };
        start.ArgumentList.Add("-c");
        start.ArgumentList.Add($"exec dotnet {arguments} 2>>'{log}'");
        start.Environment.Remove("DOTNET_ThreadPool_UnfairSemaphoreSpinLimit");
        foreach (var (name, value) in environment) start.Environment[name] = value;
        var begun = TimeProvider.System.GetTimestamp();
        var process = Process.Start(start)!;
        while (await process.StandardOutput.ReadLineAsync() is { } line)
        {
            if (!line.Contains("listens on http", StringComparison.Ordinal) && !line.StartsWith("listening on http", StringComparison.Ordinal)) continue;
            var address = new Uri(line[line.IndexOf("http://", StringComparison.Ordinal)..].Split(' ')[0]);
            // What it may still say is read away, so that it never waits for a full pipe.
            _ = process.StandardOutput.ReadToEndAsync();
            return new Child(process, address, TimeProvider.System.GetElapsedTime(begun).TotalMilliseconds);
        }
        throw new InvalidOperationException($"dotnet {arguments} did not start:\n{await File.ReadAllTextAsync(log)}");
    }

    /// <summary>CPU time of all its threads so far, those that have ended included, in microseconds.</summary>
    public double CpuMicroseconds
    {
        get
        {
            // The process's CPU clock counts nanoseconds; /proc counts it in steps of 10 ms, or by threads that are there still. See clock_getcpuclockid(3).
            if (ClockGetTime((~_process.Id << 3) | 2, out var time) != 0) throw new InvalidOperationException("the process has ended");
            return time.Seconds * 1e6 + time.Nanoseconds / 1e3;
        }
    }

    /// <summary>Of that, the runtime's background compiler.</summary>
    public double CompilerMicroseconds
    {
        get
        {
            foreach (var thread in Directory.EnumerateDirectories($"/proc/{_process.Id}/task"))
            {
                try
                {
                    if (File.ReadAllText(Path.Combine(thread, "comm")).TrimEnd() == ".NET Tiered Com")
                        return long.Parse(File.ReadAllText(Path.Combine(thread, "schedstat")).Split(' ')[0], CultureInfo.InvariantCulture) / 1e3;
                }
                catch (IOException)
                {
                    // A thread that has just ended.
                }
            }
            return 0;
        }
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct TimeSpec
    {
        public nint Seconds;
        public nint Nanoseconds;
    }

    [DllImport("libc", EntryPoint = "clock_gettime")]
    private static extern int ClockGetTime(int clock, out TimeSpec time);

    /// <summary>Resident memory in KB.</summary>
    public long ResidentKb => Status("VmRSS:");

    private long Status(string name) => long.Parse(
        File.ReadLines($"/proc/{_process.Id}/status").First(l => l.StartsWith(name, StringComparison.Ordinal))[name.Length..].Replace("kB", "", StringComparison.Ordinal).Trim(),
        CultureInfo.InvariantCulture);

    public void Dispose()
    {
        try
        {
            _process.Kill();
            _process.WaitForExit(5000);
        }
        catch (InvalidOperationException)
        {
            // It has ended already.
        }
        _process.Dispose();
    }
}
