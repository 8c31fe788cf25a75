using System.Text;
using System.Text.Json;

namespace CrossModel.Protocol;

internal static partial class ChatRequestReader
{
    private const int LargestTopLogprobs = 20;
    private const int MostStops = 4;

    private static readonly NameTable Efforts = new("none", "minimal", "low", "medium", "high", "xhigh");
    private static readonly NameTable Verbosities = new("low", "medium", "high");

    private ref partial struct Pass
    {
        // The value is never null here: null means absent.
        private void ReadParameter(ChatParameter parameter)
        {
            var name = ChatParameters.Name(parameter);
            switch (parameter)
            {
                case ChatParameter.Model:
                    if (ReadString(name)) _request.Model = Encoding.UTF8.GetString(Text());
                    break;
                case ChatParameter.Messages:
                    ReadMessages();
                    break;
                case ChatParameter.Stream:
                    _request.Stream = ReadBoolean(name);
                    break;
                case ChatParameter.StreamOptions:
                    ReadStreamOptions();
                    break;
                case ChatParameter.MaxCompletionTokens:
                    _maxCompletionTokens = ReadInteger(name, 1, long.MaxValue);
                    break;
                case ChatParameter.MaxTokens:
                    _maxTokens = ReadInteger(name, 1, long.MaxValue);
                    break;
                case ChatParameter.N:
                    _request.Candidates = (int)ReadInteger(name, 1, ChunkWriter.MaxChoices);
                    break;
                case ChatParameter.TopLogprobs:
                    ReadInteger(name, 0, LargestTopLogprobs);
                    break;
                case ChatParameter.Seed:
                    ReadInteger(name, long.MinValue, long.MaxValue);
                    break;
                case ChatParameter.Temperature:
                    ReadNumber(name, 0, 2);
                    break;
                case ChatParameter.TopP:
                    ReadNumber(name, 0, 1);
                    break;
                case ChatParameter.PresencePenalty or ChatParameter.FrequencyPenalty:
                    ReadNumber(name, -2, 2);
                    break;
                case ChatParameter.Stop:
                    ReadStop();
                    break;
                case ChatParameter.Tools or ChatParameter.Functions or ChatParameter.ResponseFormat:
                    ReadCounted(parameter);
                    break;
                case ChatParameter.ToolChoice:
                    ReadToolChoice();
                    break;
                case ChatParameter.FunctionCall:
                    ReadFunctionCall();
                    break;
                case ChatParameter.ReasoningEffort:
                    if (ReadOneOf(name, Efforts) is >= 0 and var effort) _request.ReasoningEffort = Efforts.Names[effort];
                    break;
                case ChatParameter.Verbosity:
                    ReadOneOf(name, Verbosities);
                    break;
                case ChatParameter.Logprobs:
                    _logprobs = ReadBoolean(name);
                    if (_logprobs) _request.Features |= ChatFeatures.Logprobs;
                    break;
                case ChatParameter.ParallelToolCalls or ChatParameter.Store:
                    ReadBoolean(name);
                    break;
                case ChatParameter.Modalities:
                    ReadModalities();
                    break;
                case ChatParameter.Audio:
                    ReadAudioOutput();
                    break;
                case ChatParameter.Prediction:
                    ReadPrediction();
                    break;
                case ChatParameter.LogitBias:
                    ReadLogitBias();
                    break;
                case ChatParameter.Models:
                    ReadModels();
                    break;
                case ChatParameter.Provider:
                    ReadProvider();
                    break;
                case ChatParameter.User or ChatParameter.SafetyIdentifier or ChatParameter.ServiceTier
                    or ChatParameter.PromptCacheKey or ChatParameter.PromptCacheRetention:
                    ReadString(name);
                    break;
                case ChatParameter.Metadata or ChatParameter.WebSearchOptions or ChatParameter.PromptCacheOptions or ChatParameter.Moderation:
                    // The caller's own, or some models' own: carried, not judged.
                    if (EnterObject(name)) _json.Skip();
                    break;
            }
        }

        /// <summary>Parameters whose bytes the model reads as part of the prompt.</summary>
        private void ReadCounted(ChatParameter parameter)
        {
            var start = _json.TokenStartIndex;
            if (parameter == ChatParameter.Tools) ReadTools();
            else if (parameter == ChatParameter.Functions) ReadFunctions();
            else ReadResponseFormat();
            _request.Prompt.TextBytes += _json.BytesConsumed - start;
        }

        private bool ReadString(string param)
        {
            if (Is(JsonTokenType.String)) return true;
            RefuseType(param, "a string");
            return false;
        }

        private bool ReadBoolean(string param)
        {
            if (!IsBoolean) RefuseType(param, "a boolean");
            return Is(JsonTokenType.True);
        }

        /// <summary>An integer written as one: 5.0 and 1e1 are numbers of another type here, as they are at OpenAI.</summary>
        private long ReadInteger(string param, long least, long most)
        {
            if (!Is(JsonTokenType.Number))
            {
                RefuseType(param, "an integer");
                return 0;
            }
            if (_json.ValueSpan.IndexOfAny(".eE"u8) >= 0)
            {
                Refuse(ApiErrors.InvalidType(param, $"{param} must be an integer written without fraction and exponent."));
                return 0;
            }
            if (_json.TryGetInt64(out var value) && value >= least && value <= most) return value;
            Refuse(ApiErrors.InvalidValue(param, most == long.MaxValue
                ? $"{param} must be {(least == 1 ? "1 or more, and fit 64 bits" : "an integer of 64 bits")}."
                : $"{param} must be from {least} to {most}."));
            return 0;
        }

        private void ReadNumber(string param, double least, double most)
        {
            if (!Is(JsonTokenType.Number)) RefuseType(param, "a number");
            else if (!_json.TryGetDouble(out var value) || !(value >= least && value <= most))
                Refuse(ApiErrors.InvalidValue(param, $"{param} must be from {least} to {most}."));
        }

        private int ReadOneOf(string param, NameTable names)
        {
            if (!ReadString(param)) return -1;
            var found = names.Find(Text());
            if (found < 0) Refuse(ApiErrors.InvalidValue(param, $"Unknown {param} \"{Shown(Text())}\". It is one of {names}."));
            return found;
        }

        private void ReadStop()
        {
            if (Is(JsonTokenType.String))
            {
                if (_json.ValueSpan.Length == 0) Refuse(ApiErrors.InvalidValue("stop", "stop must not be empty. Leave it out instead."));
                return;
            }
            if (!Is(JsonTokenType.StartArray))
            {
                RefuseType("stop", "a string or an array of strings");
                return;
            }
            var count = 0;
            while (NextElement())
            {
                if (!Is(JsonTokenType.String)) RefuseType($"stop[{count}]", "a string");
                else if (_json.ValueSpan.Length == 0) Refuse(ApiErrors.InvalidValue($"stop[{count}]", $"stop[{count}] must not be empty."));
                if (++count > MostStops) Refuse(ApiErrors.InvalidValue("stop", $"stop takes at most {MostStops} sequences."));
            }
        }

        private void ReadLogitBias()
        {
            if (!EnterObject("logit_bias")) return;
            while (_refusal is null && _json.Read() && !Is(JsonTokenType.EndObject))
            {
                _json.Read();
                ReadNumber("logit_bias", -100, 100);
            }
        }

        /// <summary>The rules that need more than one parameter.</summary>
        private void JudgeTogether()
        {
            _request.MaxOutputTokens = _maxCompletionTokens ?? _maxTokens;
            if (_request.Model.Length == 0) Refuse(ApiErrors.MissingRequiredParameter("model"));
            else if (!_request.Has(ChatParameter.Messages)) Refuse(ApiErrors.InvalidMessages("messages", "messages is missing. Send an array of at least one message."));
            else if (_request.Has(ChatParameter.StreamOptions) && !_request.Stream)
                Refuse(ApiErrors.InvalidValue("stream_options", "stream_options goes only with stream: true. Set stream, or leave stream_options out."));
            else if (_request.Has(ChatParameter.TopLogprobs) && !_logprobs)
                Refuse(ApiErrors.InvalidValue("top_logprobs", "top_logprobs goes only with logprobs: true."));
            else if (_request.Features.HasFlag(ChatFeatures.AudioOutput) && !_request.Has(ChatParameter.Audio))
                Refuse(ApiErrors.MissingRequiredParameter("audio"));
            else JudgeToolChoice();
        }
    }
}
