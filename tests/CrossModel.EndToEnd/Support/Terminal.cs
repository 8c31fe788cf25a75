using System.ComponentModel;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace CrossModel.EndToEnd.Support;

/// <summary>A terminal at which a program of the tests may write. Linux only.</summary>
internal sealed class Terminal : IDisposable
{
    private const int ForTheTestsAlone = 0x2 | 0x100 | 0x80000; // O_RDWR | O_NOCTTY | O_CLOEXEC

    private readonly SafeFileHandle _screen = Open();

    /// <summary>The file that is a terminal to whoever opens it.</summary>
    public string Path => $"/dev/pts/{Number(_screen)}";

    /// <summary>All that is written there, until nobody has it open any more; begin to read when somebody has.</summary>
    public Task<string> ReadToEndAsync() => Task.Run(() =>
    {
        var written = new MemoryStream();
        var buffer = new byte[4096];
        using var screen = new FileStream(_screen, FileAccess.Read, bufferSize: 0);
        try
        {
            for (int read; (read = screen.Read(buffer)) > 0;) written.Write(buffer, 0, read);
        }
        catch (IOException)
        {
            // Linux says "input/output error" when the last writer has left.
        }
        return Encoding.UTF8.GetString(written.ToArray());
    });

    public void Dispose() => _screen.Dispose();

    private static SafeFileHandle Open()
    {
        var screen = OpenTerminal(ForTheTestsAlone);
        return !screen.IsInvalid && Unlock(screen) == 0 ? screen : throw new Win32Exception();
    }

    private static int Number(SafeFileHandle screen)
    {
        const ulong GetTerminalNumber = 0x80045430; // TIOCGPTN
        return Control(screen, GetTerminalNumber, out var number) == 0 ? number : throw new Win32Exception();
    }

    [DllImport("libc", EntryPoint = "posix_openpt", SetLastError = true)]
    private static extern SafeFileHandle OpenTerminal(int flags);

    [DllImport("libc", EntryPoint = "unlockpt", SetLastError = true)]
    private static extern int Unlock(SafeFileHandle screen);

    [DllImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    private static extern int Control(SafeFileHandle screen, ulong request, out int number);
}
