using System.Text.Json;

namespace CrossModel.Protocol;

internal static partial class ChatRequestReader
{
    private static readonly NameTable StreamOptionMembers = new("include_usage", "include_obfuscation");
    private static readonly NameTable FormatMembers = new("type", "json_schema");
    private static readonly NameTable FormatTypes = new("text", "json_object", "json_schema");
    private static readonly NameTable SchemaMembers = new("name", "schema", "strict", "description");
    private static readonly NameTable Modalities = new("text", "audio", "image");
    private static readonly NameTable AudioOutputMembers = new("voice", "format");
    private static readonly NameTable VoiceMembers = new("id");
    private static readonly NameTable AudioFormats = new("wav", "aac", "mp3", "flac", "opus", "pcm16");
    private static readonly NameTable PredictionMembers = new("type", "content");
    private static readonly NameTable PredictionTypes = new("content");

    // The parameters whose values are objects with rules of their own.
    private ref partial struct Pass
    {
        private void ReadStreamOptions()
        {
            if (!EnterObject("stream_options")) return;
            var members = Members();
            while (NextMember(StreamOptionMembers, ref members, out var member))
            {
                if (member == 0) _request.IncludeUsageValue = Span();
                if (member < 0) _json.Skip();
                else if (IsNull) continue;
                else if (ReadBoolean("stream_options." + StreamOptionMembers.Names[member]) && member == 0) _request.IncludeUsage = true;
            }
        }

        private void ReadResponseFormat()
        {
            if (!EnterObject("response_format")) return;
            var (type, hasSchema) = (-1, false);
            var members = Members();
            while (NextMember(FormatMembers, ref members, out var member))
            {
                if (member < 0) _json.Skip();
                else if (IsNull) continue;
                else if (member == 0) type = ReadOneOf("response_format.type", FormatTypes);
                else
                {
                    hasSchema = true;
                    ReadJsonSchema();
                }
            }
            if (_refusal is not null) return;
            if (type < 0) Refuse(ApiErrors.MissingRequiredParameter("response_format.type"));
            else if (type == 2 && !hasSchema) Refuse(ApiErrors.MissingRequiredParameter("response_format.json_schema"));
            else if (type > 0) _request.Features |= type == 1 ? ChatFeatures.JsonObject : ChatFeatures.JsonSchema;
        }

        /// <summary>The schema itself is the caller's own and not judged.</summary>
        private void ReadJsonSchema()
        {
            const string Place = "response_format.json_schema";
            if (!EnterObject(Place)) return;
            var hasName = false;
            var members = Members();
            while (NextMember(SchemaMembers, ref members, out var member))
            {
                if (member < 0) _json.Skip();
                else if (IsNull) continue;
                else if (member == 0)
                {
                    hasName = ReadString(Place + ".name") && _json.ValueSpan.Length > 0;
                    if (hasName && !IsName(Text()))
                        Refuse(ApiErrors.InvalidValue(Place + ".name", $"The name \"{Shown(Text())}\" is not allowed: 1 to {LongestName} of the characters A-Z a-z 0-9 _ -."));
                }
                else if (member == 1)
                {
                    if (EnterObject(Place + ".schema")) _json.Skip();
                }
                else if (member == 2) ReadBoolean(Place + ".strict");
                else ReadString(Place + ".description");
            }
            if (_refusal is null && !hasName) Refuse(ApiErrors.MissingRequiredParameter(Place + ".name"));
        }

        private void ReadModalities()
        {
            if (!EnterArray("modalities")) return;
            var count = 0;
            while (NextElement())
            {
                var modality = ReadOneOf($"modalities[{count++}]", Modalities);
                if (modality > 0) _request.Features |= ChatFeatures.OtherModalities;
                if (modality == 1) _request.Features |= ChatFeatures.AudioOutput;
            }
            if (count == 0) Refuse(ApiErrors.InvalidValue("modalities", $"modalities is empty. Name at least one of {Modalities}."));
        }

        private void ReadAudioOutput()
        {
            if (!EnterObject("audio")) return;
            var present = 0;
            var members = Members();
            while (NextMember(AudioOutputMembers, ref members, out var member))
            {
                if (member < 0) _json.Skip();
                else if (IsNull) continue;
                else
                {
                    present |= 1 << member;
                    if (member == 1) ReadOneOf("audio.format", AudioFormats);
                    else if (!Is(JsonTokenType.String)) ReadVoice();
                }
            }
            if (_refusal is null && present != 3) Refuse(ApiErrors.MissingRequiredParameter((present & 1) == 0 ? "audio.voice" : "audio.format"));
        }

        private void ReadVoice()
        {
            if (!Is(JsonTokenType.StartObject))
            {
                RefuseType("audio.voice", "a string, or an object with an id");
                return;
            }
            var hasId = false;
            var members = Members();
            while (NextMember(VoiceMembers, ref members, out var member))
            {
                if (member < 0 || IsNull) _json.Skip();
                else if (Is(JsonTokenType.String)) hasId = true;
                else RefuseType("audio.voice.id", "a string");
            }
            if (_refusal is null && !hasId) Refuse(ApiErrors.MissingRequiredParameter("audio.voice.id"));
        }

        private void ReadPrediction()
        {
            if (!EnterObject("prediction")) return;
            var present = 0;
            var members = Members();
            while (NextMember(PredictionMembers, ref members, out var member))
            {
                if (member < 0) _json.Skip();
                else if (IsNull) continue;
                else
                {
                    present |= 1 << member;
                    if (member == 0) ReadOneOf("prediction.type", PredictionTypes);
                    else if (Is(JsonTokenType.String) || Is(JsonTokenType.StartArray)) _json.Skip();
                    else RefuseType("prediction.content", "a string or an array of text blocks");
                }
            }
            if (_refusal is null && present != 3) Refuse(ApiErrors.MissingRequiredParameter((present & 1) == 0 ? "prediction.type" : "prediction.content"));
        }
    }
}
