using CrossModel.Protocol;
using Microsoft.AspNetCore.Components;

namespace CrossModel.WebConsole;

/// <summary>What a request of the console comes to: a page, another place to go to, or a refusal. One of them is there.</summary>
internal readonly record struct Outcome
{
    /// <summary>A component that injects <see cref="Model"/>.</summary>
    public Type? Page { get; private init; }
    public object? Model { get; private init; }
    public string? Location { get; private init; }
    public ApiError? Refusal { get; private init; }

    public static Outcome Show<TPage>(object model) where TPage : IComponent => new() { Page = typeof(TPage), Model = model };

    public static Outcome GoTo(string location) => new() { Location = location };

    public static implicit operator Outcome(ApiError refusal) => new() { Refusal = refusal };
}
