using System.Buffers;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using CrossModel.Protocol;

namespace CrossModel.Dialects;

/// <summary>
/// Opaque reasoning state that a provider wants back with a tool call, kept for callers who drop it. One a process, whatever upstream gave
/// the state: the next turn may go to another. Bounded in bytes and age; the longest unused goes first. An entry is found only by the same
/// account with the same call id, name and arguments, because ids alone collide (<c>functions.add:0</c>).
/// </summary>
internal sealed class ReasoningMemory(TimeProvider time, long capacity = ReasoningMemory.DefaultCapacity)
{
    /// <summary>Bytes in all; about 50,000 turns of a usual length.</summary>
    public const long DefaultCapacity = 64L * 1024 * 1024;

    /// <summary>State larger than this is not kept: one caller shall not push out all others.</summary>
    public const int LargestState = 1024 * 1024;

    /// <summary>What is put back into one request, in bytes: a caller may repeat a call any number of times, each in fewer bytes than its state.</summary>
    public const int MostOfRequest = 8 * 1024 * 1024;

    /// <summary>A tool loop may wait for a person, not for a week.</summary>
    public static readonly TimeSpan Lifetime = TimeSpan.FromHours(12);

    private const int EntryOverhead = 256;

    /// <summary>Members of one object: no schema has so many, and to sort millions takes ten seconds.</summary>
    private const int MostSorted = 1000;

    private static readonly ConditionalWeakTable<TimeProvider, ReasoningMemory> Memories = [];

    private readonly Lock _lock = new();
    private readonly Dictionary<Key, LinkedListNode<Entry>> _entries = [];
    private readonly LinkedList<Entry> _byUse = new();
    private long _bytes;

    private readonly record struct Key(UInt128 High, UInt128 Low);

    private sealed record Entry(Key Key, byte[] State, DateTimeOffset Until)
    {
        public long Cost => State.Length + EntryOverhead;
    }

    /// <summary>The memory of everything that runs on this clock: one in a program, one of its own in a test with a clock of its own.</summary>
    public static ReasoningMemory Of(TimeProvider time) => Memories.GetValue(time, static t => new ReasoningMemory(t));

    /// <param name="kind">Whose state it is, e.g. <c>anthropic</c>: another provider's is of no use.</param>
    /// <param name="arguments">The call's arguments, JSON, unescaped.</param>
    /// <param name="state">JSON as the provider's next request takes it; empty: known that there was none.</param>
    public void Remember(string kind, string account, string callId, string name, ReadOnlySpan<byte> arguments, byte[] state)
    {
        if (state.Length > LargestState) return;
        var entry = new Entry(KeyOf(kind, account, callId, name, arguments), state, time.GetUtcNow() + Lifetime);
        lock (_lock)
        {
            if (_entries.TryGetValue(entry.Key, out var known)) Drop(known);
            _entries[entry.Key] = _byUse.AddLast(entry);
            _bytes += entry.Cost;
            while (_bytes > capacity || _byUse.First!.Value.Until <= time.GetUtcNow()) Drop(_byUse.First!);
        }
    }

    /// <summary>Null: not known, or no longer.</summary>
    public byte[]? Find(string kind, string account, string callId, string name, ReadOnlySpan<byte> arguments)
    {
        var key = KeyOf(kind, account, callId, name, arguments);
        lock (_lock)
        {
            if (!_entries.TryGetValue(key, out var node)) return null;
            if (node.Value.Until <= time.GetUtcNow())
            {
                Drop(node);
                return null;
            }
            _byUse.Remove(node);
            _byUse.AddLast(node);
            return node.Value.State;
        }
    }

    /// <summary>As the other, for a request that more is put back into; null too where that would be too much.</summary>
    /// <param name="put">Bytes that were put into it before; counted on.</param>
    public byte[]? Find(string kind, string account, string callId, string name, ReadOnlySpan<byte> arguments, ref long put)
    {
        var state = put > MostOfRequest ? null : Find(kind, account, callId, name, arguments);
        return state is null || (put += state.Length) > MostOfRequest ? null : state;
    }

    private void Drop(LinkedListNode<Entry> node)
    {
        _byUse.Remove(node);
        _entries.Remove(node.Value.Key);
        _bytes -= node.Value.Cost;
    }

    private static Key KeyOf(string kind, string account, string callId, string name, ReadOnlySpan<byte> arguments)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var part in (ReadOnlySpan<string>)[kind, account, callId, name])
        {
            hash.AppendData(Encoding.UTF8.GetBytes(part));
            hash.AppendData([0xFF]);
        }
        hash.AppendData(Canonical(arguments));
        Span<byte> digest = stackalloc byte[32];
        hash.GetHashAndReset(digest);
        return new Key(BitConverter.ToUInt128(digest), BitConverter.ToUInt128(digest[16..]));
    }

    /// <summary>Many callers parse the arguments and write them anew: spaces, escapes, the order of members and the spelling of numbers must not matter.</summary>
    private static byte[] Canonical(ReadOnlySpan<byte> arguments)
    {
        if (arguments.IsEmpty) return "{}"u8.ToArray();
        var json = new Utf8JsonReader(arguments);
        try
        {
            using var parsed = JsonDocument.ParseValue(ref json);
            var text = new ArrayBufferWriter<byte>(arguments.Length);
            using (var writer = new Utf8JsonWriter(text, new JsonWriterOptions { Encoder = JsonText.Encoder })) WriteCanonical(writer, parsed.RootElement);
            return text.WrittenSpan.ToArray();
        }
        catch (Exception fault) when (fault is JsonException or InvalidOperationException)
        {
            return arguments.ToArray();
        }
    }

    private static void WriteCanonical(Utf8JsonWriter writer, JsonElement value)
    {
        if (value.ValueKind == JsonValueKind.Object)
        {
            writer.WriteStartObject();
            IEnumerable<JsonProperty> members = value.EnumerateObject();
            if (value.GetPropertyCount() <= MostSorted) members = members.OrderBy(m => m.Name, StringComparer.Ordinal);
            foreach (var member in members)
            {
                writer.WritePropertyName(member.Name);
                WriteCanonical(writer, member.Value);
            }
            writer.WriteEndObject();
        }
        else if (value.ValueKind == JsonValueKind.Array)
        {
            writer.WriteStartArray();
            foreach (var element in value.EnumerateArray()) WriteCanonical(writer, element);
            writer.WriteEndArray();
        }
        // What JavaScript makes of it: 5.0 is 5, minus zero is zero, and of a long integer some digits are left.
        else if (value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var number) && double.IsFinite(number))
            writer.WriteNumberValue(number == 0 ? 0 : number);
        else value.WriteTo(writer);
    }
}
