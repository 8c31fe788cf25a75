using OpenQA.Selenium;
using OpenQA.Selenium.Chrome;

namespace CrossModel.EndToEnd.Pages;

/// <summary>A real browser without a window, of the machine's own packages, with a profile of its own.</summary>
internal static class Chromium
{
    private static readonly string? s_browser = Find("chromium");
    private static readonly string? s_driver = Find("chromedriver");

    /// <summary>The test is skipped where there is none.</summary>
    public static ChromeDriver Start()
    {
        Assert.SkipWhen(s_browser is null || s_driver is null, "Chromium is not installed: chromium and chromedriver are not on PATH");
        var options = new ChromeOptions { BinaryLocation = s_browser };
        // Nothing of it may ask the network: a machine of tests may have none.
        options.AddArguments("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking", "--disable-component-update",
            "--disable-sync", "--window-size=1200,900");
        options.SetLoggingPreference(LogType.Browser, OpenQA.Selenium.LogLevel.All);
        var service = ChromeDriverService.CreateDefaultService(Path.GetDirectoryName(s_driver), Path.GetFileName(s_driver));
        service.SuppressInitialDiagnosticInformation = true;
        var driver = new ChromeDriver(service, options, TimeSpan.FromMinutes(2));
        driver.Manage().Timeouts().ImplicitWait = TimeSpan.FromSeconds(10);
        return driver;
    }

    private static string? Find(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists);
}
