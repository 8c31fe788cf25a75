using System.Diagnostics;

namespace CrossModel;

/// <summary>
/// What Kestrel is made of, for its extensions to add to. They ask for the builder of a host: this is all that they use of one. A real one, never built,
/// makes a start longer by a thirtieth.
/// </summary>
internal sealed class KestrelServices : IWebHostBuilder
{
    private readonly WebHostBuilderContext _context = new();

    public IServiceCollection Services { get; } = new ServiceCollection()
        .AddOptions().AddLogging().AddMetrics().AddSingleton<DiagnosticSource>(new DiagnosticListener("Microsoft.AspNetCore"));

    public IWebHostBuilder ConfigureServices(Action<IServiceCollection> configureServices)
    {
        configureServices(Services);
        return this;
    }

    public IWebHostBuilder ConfigureServices(Action<WebHostBuilderContext, IServiceCollection> configureServices)
    {
        configureServices(_context, Services);
        return this;
    }

    public string? GetSetting(string key) => null;

    public IWebHostBuilder UseSetting(string key, string? value) => this;

    public IWebHostBuilder ConfigureAppConfiguration(Action<WebHostBuilderContext, IConfigurationBuilder> configureDelegate) => this;

#pragma warning disable ASPDEPR008 // The interface still speaks of it.
    public IWebHost Build() => throw new NotSupportedException("The listener takes the services, not a host.");
#pragma warning restore ASPDEPR008
}
