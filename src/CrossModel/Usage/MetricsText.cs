using System.Globalization;
using System.Text;

namespace CrossModel.Usage;

/// <summary>Metrics in Prometheus' text format, 0.0.4. Each family is begun once, with its type, and its samples follow.</summary>
internal sealed class MetricsText
{
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";

    private readonly StringBuilder _text = new();
    private string _name = "";

    /// <summary>Begins a metric: the samples that follow are of it.</summary>
    /// <param name="type">counter, gauge, histogram or summary.</param>
    public MetricsText Family(string name, string type, string help)
    {
        _name = name;
        _text.Append("# HELP ").Append(name).Append(' ').Append(help).Append('\n').Append("# TYPE ").Append(name).Append(' ').Append(type).Append('\n');
        return this;
    }

    public void Sample(double value, params ReadOnlySpan<(string Name, string Value)> labels) => Sample("", value, labels);

    /// <param name="suffix">After the family's name: <c>_sum</c>, <c>_count</c>.</param>
    public void Sample(string suffix, double value, params ReadOnlySpan<(string Name, string Value)> labels)
    {
        _text.Append(_name).Append(suffix);
        WriteLabels(labels, null);
        WriteValue(value);
    }

    public void Samples(Histogram histogram, params ReadOnlySpan<(string Name, string Value)> labels)
    {
        var counts = histogram.Cumulative();
        for (var i = 0; i < counts.Length; i++)
        {
            _text.Append(_name).Append("_bucket");
            WriteLabels(labels, i < histogram.Bounds.Count ? histogram.Bounds[i].ToString(CultureInfo.InvariantCulture) : "+Inf");
            WriteValue(counts[i]);
        }
        Sample("_sum", histogram.Sum, labels);
        Sample("_count", counts[^1], labels);
    }

    public override string ToString() => _text.ToString();

    private void WriteLabels(ReadOnlySpan<(string Name, string Value)> labels, string? upTo)
    {
        if (labels.IsEmpty && upTo is null) return;
        var separator = '{';
        foreach (var (name, value) in labels)
        {
            _text.Append(separator).Append(name).Append("=\"");
            foreach (var c in value) _ = c switch
            {
                '\\' => _text.Append(@"\\"),
                '"' => _text.Append("\\\""),
                '\n' => _text.Append(@"\n"),
                _ => _text.Append(c),
            };
            _text.Append('"');
            separator = ',';
        }
        if (upTo is not null) _text.Append(separator).Append("le=\"").Append(upTo).Append('"');
        _text.Append('}');
    }

    private void WriteValue(double value) => _text.Append(' ').Append(value.ToString("R", CultureInfo.InvariantCulture)).Append('\n');
}
