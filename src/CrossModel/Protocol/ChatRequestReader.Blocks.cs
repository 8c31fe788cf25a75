using System.Text;
using System.Text.Json;

namespace CrossModel.Protocol;

internal static partial class ChatRequestReader
{
    private static readonly NameTable BlockTypes = new("text", "image_url", "input_audio", "video_url", "video", "file", "refusal");

    // A block's field is called as its type, so the first names stand in the order of the types.
    private static readonly NameTable BlockMembers = new([.. BlockTypes.Names, "type", "cache_control", "prompt_cache_breakpoint"]);

    private enum BlockType { Text, ImageUrl, InputAudio, VideoUrl, Video, File, Refusal, TypeItself, CacheControl, PromptCacheBreakpoint }

    private static readonly NameTable UrlMembers = new("url", "detail");
    private static readonly NameTable AudioMembers = new("data", "format");
    private static readonly NameTable FileMembers = new("file_data", "file_id", "filename");

    private ref partial struct Pass
    {
        private void ReadContent(ref Message message)
        {
            if (Is(JsonTokenType.String))
            {
                message.HasContent = true;
                _request.Prompt.TextBytes += TextLength();
                return;
            }
            if (!Is(JsonTokenType.StartArray))
            {
                RefuseMessages($"messages[{message.Index}].content", "a string, an array of content blocks, or null beside tool calls");
                return;
            }
            var count = 0;
            while (NextElement()) ReadBlock(ref message, count++);
            message.HasContent = count > 0;
        }

        private void ReadBlock(ref Message message, int block)
        {
            if (!Is(JsonTokenType.StartObject))
            {
                RefuseMessages(Place(message.Index, block, ""), "an object with a type");
                return;
            }
            var type = -1;
            var present = 0;
            var members = Members();
            while (NextMember(BlockMembers, ref members, out var member))
            {
                if (member < 0) _json.Skip();
                else if (IsNull) continue;
                else if ((BlockType)member == BlockType.TypeItself) type = ReadBlockType(message.Index, block);
                else
                {
                    present |= 1 << member;
                    ReadBlockField((BlockType)member, message.Index, block);
                }
            }
            if (_refusal is not null) return;
            if (type < 0)
            {
                Refuse(ApiErrors.InvalidMessages(Place(message.Index, block, ".type"),
                    $"{Place(message.Index, block, "")} has no type. A content block is one of {BlockTypes}."));
                return;
            }
            if ((present & (1 << type)) == 0)
            {
                var field = BlockTypes.Names[type];
                Refuse(ApiErrors.InvalidMessages(Place(message.Index, block, "." + field), $"A content block of type {field} needs the field {field}."));
                return;
            }
            Note((BlockType)type, ref message, block);
        }

        private int ReadBlockType(int message, int block)
        {
            var type = -1;
            if (!Is(JsonTokenType.String)) RefuseMessages(Place(message, block, ".type"), $"one of {BlockTypes}");
            else if ((type = BlockTypes.Find(Text())) < 0)
                Refuse(ApiErrors.InvalidMessages(Place(message, block, ".type"),
                    $"Unknown content block type \"{ApiErrors.Echo(Encoding.UTF8.GetString(Text()))}\". It is one of {BlockTypes}."));
            return type;
        }

        private void Note(BlockType type, ref Message message, int block)
        {
            switch (type)
            {
                case BlockType.ImageUrl:
                    _request.Prompt.Images++;
                    _request.Features |= ChatFeatures.Images;
                    break;
                case BlockType.InputAudio:
                    _request.Prompt.Audios++;
                    _request.Features |= ChatFeatures.AudioInput;
                    break;
                case BlockType.VideoUrl or BlockType.Video:
                    _request.Prompt.Videos++;
                    _request.Features |= ChatFeatures.Video;
                    break;
                case BlockType.File:
                    _request.Prompt.Files++;
                    _request.Features |= ChatFeatures.Files;
                    break;
                case BlockType.Refusal:
                    if (message.RefusalBlock < 0) message.RefusalBlock = block;
                    break;
            }
        }

        private void ReadBlockField(BlockType field, int message, int block)
        {
            switch (field)
            {
                case BlockType.Text or BlockType.Refusal:
                    if (Is(JsonTokenType.String)) _request.Prompt.TextBytes += TextLength();
                    else RefuseMessages(Place(message, block, field == BlockType.Text ? ".text" : ".refusal"), "a string");
                    break;
                case BlockType.ImageUrl:
                    ReadUrl(message, block, ".image_url");
                    break;
                case BlockType.VideoUrl:
                    ReadUrl(message, block, ".video_url");
                    break;
                case BlockType.InputAudio:
                    ReadAudio(message, block);
                    break;
                case BlockType.File:
                    ReadFile(message, block);
                    break;
                case BlockType.Video:
                    ReadVideo(message, block);
                    break;
                default:
                    _request.Features |= field == BlockType.CacheControl ? ChatFeatures.CacheMarks : ChatFeatures.CacheBreakpoints;
                    _json.Skip();
                    break;
            }
        }

        private void ReadUrl(int message, int block, string field)
        {
            if (!EnterBlockField(message, block, field)) return;
            var hasUrl = false;
            var members = Members();
            while (NextMember(UrlMembers, ref members, out var member))
            {
                if (member < 0) _json.Skip();
                else if (!IsNull && IsText(message, block, field, UrlMembers.Names[member])) hasUrl |= member == 0 && _json.ValueSpan.Length > 0;
            }
            if (_refusal is null && !hasUrl) RefuseLack(message, block, field + ".url", "a URL or a data URL");
        }

        private void ReadVideo(int message, int block)
        {
            var frames = Is(JsonTokenType.String) ? _json.ValueSpan.Length : 0;
            if (Is(JsonTokenType.StartArray))
            {
                for (; NextElement(); frames++)
                    if (!Is(JsonTokenType.String) || _json.ValueSpan.IsEmpty) RefuseMessages(Place(message, block, $".video[{frames}]"), "the URL of an image");
            }
            else if (!Is(JsonTokenType.String))
            {
                RefuseMessages(Place(message, block, ".video"), "an array of image URLs, or one URL");
            }
            if (frames == 0) RefuseLack(message, block, ".video", "an array of image URLs, or one URL");
        }

        private void ReadAudio(int message, int block)
        {
            if (!EnterBlockField(message, block, ".input_audio")) return;
            var present = 0;
            ReadOnlySpan<byte> data = default;
            var isWav = false;
            var members = Members();
            while (NextMember(AudioMembers, ref members, out var member))
            {
                if (member < 0) _json.Skip();
                else if (!IsNull && IsText(message, block, ".input_audio", AudioMembers.Names[member]) && _json.ValueSpan.Length > 0)
                {
                    present |= 1 << member;
                    if (member == 0) data = Raw();
                    else isWav = _json.ValueTextEquals("wav"u8);
                }
            }
            if (_refusal is not null) return;
            if ((present & 1) == 0) RefuseLack(message, block, ".input_audio.data", "the audio, base64-encoded");
            else if ((present & 2) == 0) RefuseLack(message, block, ".input_audio.format", "the format, e.g. wav or mp3");
            else CountAudio(data, isWav);
        }

        /// <summary>What is sent as another format lasts as long as its decoder says, and that may pass over the head of a WAV file.</summary>
        private void CountAudio(ReadOnlySpan<byte> data, bool isWav)
        {
            var base64 = Base64(data);
            var bytes = JsonText.UnescapedLength(base64) * 3L / 4;
            if (isWav && WavHeader.Milliseconds(base64, bytes) is { } milliseconds) _request.Prompt.WavMilliseconds += milliseconds;
            else _request.Prompt.AudioBytes += bytes;
        }

        private void ReadFile(int message, int block)
        {
            if (!EnterBlockField(message, block, ".file")) return;
            var hasSource = false;
            var members = Members();
            while (NextMember(FileMembers, ref members, out var member))
            {
                if (member < 0) _json.Skip();
                else if (!IsNull && IsText(message, block, ".file", FileMembers.Names[member]) && _json.ValueSpan.Length > 0)
                {
                    hasSource |= member < 2;
                    if (member == 0) _request.Prompt.FileBytes += InlineBytes(Raw());
                    else if (member == 1) _request.Features |= ChatFeatures.FileIds;
                }
            }
            // Some servers name a file by members of their own (file_url, url): those are theirs to judge.
            if (_refusal is null && !hasSource && !members.HasOthers) RefuseLack(message, block, ".file.file_data", "a data URL (or file_id instead)");
        }

        private bool EnterBlockField(int message, int block, string field)
        {
            if (Is(JsonTokenType.StartObject)) return true;
            RefuseMessages(Place(message, block, field), "an object");
            return false;
        }

        private bool IsText(int message, int block, string field, string member)
        {
            if (Is(JsonTokenType.String)) return true;
            RefuseMessages(Place(message, block, $"{field}.{member}"), "a string");
            return false;
        }

        private void RefuseLack(int message, int block, string member, string what) =>
            Refuse(ApiErrors.InvalidMessages(Place(message, block, member), $"{Place(message, block, member)} is missing or empty. Send {what}."));
    }

    private static string Place(int message, int block, string tail) => $"messages[{message}].content[{block}]{tail}";

    /// <summary>Decoded bytes of base64 (bare, or behind the comma of a data URL); 0 for a link, whose size nobody knows yet.</summary>
    private static long InlineBytes(ReadOnlySpan<byte> text) => text.StartsWith("http"u8) ? 0 : Base64(text).Length * 3L / 4;

    /// <summary>Without a data URL's head, whose scheme is written in any case.</summary>
    private static ReadOnlySpan<byte> Base64(ReadOnlySpan<byte> text) =>
        text.Length > "data:"u8.Length && Ascii.EqualsIgnoreCase(text[.."data:"u8.Length], "data:"u8) ? text[(text.IndexOf((byte)',') + 1)..] : text;
}
