using System.Collections.Concurrent;
using System.Reflection;
using System.Text.Json;

namespace CrossModel.Configuration;

internal enum ShapeKind { Record, Map, List, Price, Text, Flag, Whole, Real, Usd, Duration, Instant, Choice }

/// <summary>
/// What a setting looks like in JSON, read from the records by reflection. The binder, the environment overrides, the restart check and the
/// schema all go by it, so that one record property with a default and a comment is all that a new setting takes.
/// </summary>
internal sealed class Shape
{
    private static readonly ConcurrentDictionary<Type, Shape> Known = new();

    private Shape(Type type, ShapeKind kind)
    {
        Type = type;
        Kind = kind;
    }

    public Type Type { get; }
    public ShapeKind Kind { get; }

    /// <summary>Of a Map, List or Price: what it holds.</summary>
    public Shape? Item { get; private init; }

    /// <summary>Of a Choice: what may be written.</summary>
    public IReadOnlyList<string> Choices { get; private init; } = [];

    /// <summary>Of a Record: its members, in the source's order.</summary>
    public IReadOnlyList<Setting> Settings { get; private init; } = [];

    public static Shape Of(Type type) => Known.GetOrAdd(Nullable.GetUnderlyingType(type) ?? type, Read);

    public Setting? Find(string jsonName) => Settings.FirstOrDefault(setting => setting.JsonName == jsonName);

    private static Shape Read(Type type)
    {
        if (type.IsGenericType)
        {
            var arguments = type.GetGenericArguments();
            return new Shape(type, arguments.Length == 2 ? ShapeKind.Map : ShapeKind.List) { Item = Of(arguments[^1]) };
        }
        if (type.IsEnum)
            return new Shape(type, ShapeKind.Choice) { Choices = [.. Enum.GetNames(type).Select(JsonNamingPolicy.CamelCase.ConvertName)] };
        if (type == typeof(PriceConfig))
            return new Shape(type, ShapeKind.Price) { Item = Of(typeof(PriceVersionConfig)) };
        ShapeKind? scalar = type == typeof(string) ? ShapeKind.Text
            : type == typeof(bool) ? ShapeKind.Flag
            : type == typeof(int) || type == typeof(long) ? ShapeKind.Whole
            : type == typeof(double) ? ShapeKind.Real
            : type == typeof(decimal) ? ShapeKind.Usd
            : type == typeof(TimeSpan) ? ShapeKind.Duration
            : type == typeof(DateTimeOffset) ? ShapeKind.Instant
            : null;
        return scalar is { } kind
            ? new Shape(type, kind)
            : new Shape(type, ShapeKind.Record) { Settings = [.. type.GetProperties(BindingFlags.Public | BindingFlags.Instance).Select(property => new Setting(property))] };
    }
}

/// <summary>One member of a configuration record.</summary>
internal sealed class Setting
{
    private const double DayMilliseconds = 86_400_000;
    private readonly PropertyInfo _property;

    public Setting(PropertyInfo property)
    {
        _property = property;
        JsonName = JsonNamingPolicy.CamelCase.ConvertName(property.Name);
        Shape = Shape.Of(property.PropertyType);
        CanBeNull = new NullabilityInfoContext().Create(property).WriteState == NullabilityState.Nullable;
        NeedsRestart = property.GetCustomAttribute<NeedsRestartAttribute>() is not null;
        IsCredential = property.GetCustomAttribute<CredentialAttribute>() is not null;
        IsFilePath = property.GetCustomAttribute<FilePathAttribute>() is not null;
        OneOf = property.GetCustomAttribute<OneOfAttribute>()?.Values ?? [];
        // Every duration here drives a timer: zero would fire at once, and more than 24.8 days is refused by the runtime.
        (Minimum, Maximum) = property.GetCustomAttribute<BoundsAttribute>() is { } bounds ? (bounds.Minimum, bounds.Maximum)
            : Shape.Kind == ShapeKind.Duration ? (1, 24 * DayMilliseconds)
            : Shape.Kind == ShapeKind.Usd ? (0, 1e9)
            : (0, Shape.Type == typeof(int) ? int.MaxValue : long.MaxValue);
    }

    public string Name => _property.Name;
    public string JsonName { get; }
    public Shape Shape { get; }
    public bool CanBeNull { get; }
    public bool NeedsRestart { get; }
    public bool IsFilePath { get; }
    public bool IsCredential { get; }

    /// <summary>Of a text or a list of texts: what may be written; empty: anything.</summary>
    public IReadOnlyList<string> OneOf { get; }

    /// <summary>Inclusive; milliseconds for durations.</summary>
    public double Minimum { get; }
    public double Maximum { get; }

    public object? Get(object record) => _property.GetValue(record);
    public void Set(object record, object? value) => _property.SetValue(record, value);
}

/// <summary>Smallest and largest value, inclusive; milliseconds for durations. Without it: numbers from 0, durations from 1 ms to 24 days.</summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class BoundsAttribute(double minimum, double maximum = long.MaxValue) : Attribute
{
    public double Minimum { get; } = minimum;
    public double Maximum { get; } = maximum;
}

/// <summary>The only texts that may be written.</summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class OneOfAttribute(params string[] values) : Attribute
{
    public IReadOnlyList<string> Values { get; } = values;
}

/// <summary>Read once at the start; a change is reported and waits for the next one.</summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class NeedsRestartAttribute : Attribute;

/// <summary>A secret: what stands for it must not be empty, or a door would stand open that looks shut.</summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class CredentialAttribute : Attribute;

/// <summary>A path: relative ones are made absolute from the configuration file's folder.</summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class FilePathAttribute : Attribute;
