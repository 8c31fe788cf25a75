using System.Text;
using System.Text.Json;
using CrossModel.Protocol;

namespace CrossModel.Dialects.OpenAI;

/// <summary>What some servers need changed inside messages: roles, call ids, reasoning of earlier turns. Most need nothing.</summary>
/// <param name="learned">What the model has refused.</param>
/// <param name="signatures">Puts the state of calls back; null: the server signs none.</param>
/// <param name="ignored">Takes the names of what was left out.</param>
internal readonly struct MessageEdits(Preset preset, OpenAIDialect.Learned learned, CallSignatures? signatures, RouteModel model, BodySplice splice, List<string> ignored)
{
    /// <summary>Where in one message the members are that may be changed.</summary>
    private sealed class View
    {
        public int Start;
        public string? RoleName;
        public JsonSpan Role, Name, NameMember, ReasoningContent, ReasoningContentName, ReasoningContentMember, Reasoning, ReasoningMember, DetailsMember, ToolCalls, ToolCallId;
    }

    public void Edit(ChatRequest request)
    {
        var history = learned.Has(Lesson.WantsReasoning) || preset.RequiresReasoning(model.UpstreamModel) ? ReasoningHistory.Required
            : learned.Has(Lesson.NoReasoning) ? ReasoningHistory.Dropped : preset.History;
        var has = request.Features;
        var roles = (!preset.DeveloperRole || learned.Has(Lesson.NoDeveloper)) && has.HasFlag(ChatFeatures.DeveloperRole);
        var ids = preset.NineCharacterIds && has.HasFlag(ChatFeatures.ToolHistory);
        var reasoning = history == ReasoningHistory.Required || (history != ReasoningHistory.Kept && has.HasFlag(ChatFeatures.ReasoningHistory));
        var extras = !preset.ExtraContent && has.HasFlag(ChatFeatures.ExtraContent);
        var calls = preset.FillsCalls && has.HasFlag(ChatFeatures.ToolHistory);
        var body = request.Body.Span;
        var names = preset.NamedRoles is not null && request.Value(ChatParameter.Messages).In(body).IndexOf("\"name\""u8) >= 0;
        var signed = signatures is not null && has.HasFlag(ChatFeatures.ToolHistory);
        if (!roles && !ids && !reasoning && !extras && !calls && !names && !signed) return;
        var wantsSignatures = signed && preset.WantsSignatures(model.UpstreamModel);

        var messages = Read(body, request.Value(ChatParameter.Messages));
        var lastUser = messages.Count - 1;
        while (lastUser >= 0 && messages[lastUser].RoleName != "user") lastUser--;
        for (var i = 0; i < messages.Count; i++)
        {
            var message = messages[i];
            if (roles && message.RoleName == "developer") splice.Replace(message.Role, "\"system\""u8);
            if (names && message.NameMember.IsPresent && !preset.NamedRoles!.Contains(message.RoleName!)) DropName(message);
            if (ids) Rename(body, message);
            if (calls && message.ToolCalls.IsPresent) CallEdits.Fill(body, message.ToolCalls, splice);
            if (signed && message.ToolCalls.IsPresent) signatures!.Restore(body, message.ToolCalls, wantsSignatures, splice);
            if (extras && message.ToolCalls.IsPresent) RemoveNested(body, message.ToolCalls, "extra_content", splice);
            if (reasoning && message.RoleName == "assistant") EditReasoning(message, history, isBeforeLastUser: i < lastUser);
        }
    }

    /// <summary>An assistant of a body of ours says something of earlier thinking, and nobody else does: of others it is not left out.</summary>
    public static bool HaveReasoning(ReadOnlySpan<byte> sent)
    {
        var json = new Utf8JsonReader(sent);
        bool inMessages = false, isAssistant = false, says = false, found = false;
        while (json.Read())
        {
            if (json is { TokenType: JsonTokenType.PropertyName, CurrentDepth: 1 }) inMessages = json.ValueTextEquals("messages"u8);
            if (!inMessages) continue;
            if (json is { TokenType: JsonTokenType.StartObject, CurrentDepth: 2 }) isAssistant = says = false;
            if (json is { TokenType: JsonTokenType.EndObject, CurrentDepth: 2 } && says)
            {
                if (!isAssistant) return false;
                found = true;
            }
            if (json is not { TokenType: JsonTokenType.PropertyName, CurrentDepth: 3 }) continue;
            says |= json.ValueTextEquals("reasoning_content"u8) || json.ValueTextEquals("reasoning"u8) || json.ValueTextEquals("reasoning_details"u8);
            if (json.ValueTextEquals("role"u8)) isAssistant = json.Read() && json.ValueTextEquals("assistant"u8);
        }
        return found;
    }

    public static void RemoveStrict(ReadOnlySpan<byte> body, JsonSpan tools, BodySplice splice) => RemoveNested(body, tools, "strict", splice, parent: "function");

    private void EditReasoning(View message, ReasoningHistory history, bool isBeforeLastUser)
    {
        // Moonshot takes "" for none at all.
        var blank = learned.Has(Lesson.WantsReasoning) ? "\"reasoning_content\":\" \""u8 : "\"reasoning_content\":\"\""u8;
        switch (history)
        {
            case ReasoningHistory.Required when !message.ReasoningContentMember.IsPresent:
                splice.InsertFirst(message.Start, blank);
                break;
            case ReasoningHistory.Required when !message.ReasoningContent.IsPresent || (learned.Has(Lesson.WantsReasoning) && message.ReasoningContent.Length == 2):
                splice.Replace(message.ReasoningContentMember, blank);
                break;
            case ReasoningHistory.NotBeforeLastUser when isBeforeLastUser && message.ReasoningContentMember.IsPresent:
                splice.Remove(message.ReasoningContentMember);
                break;
            case ReasoningHistory.Dropped:
                foreach (var member in (ReadOnlySpan<JsonSpan>)[message.ReasoningContentMember, message.ReasoningMember, message.DetailsMember])
                {
                    if (member.IsPresent) splice.Remove(member);
                }
                break;
            case ReasoningHistory.AsReasoning when message.ReasoningContentMember.IsPresent:
                if (message.Reasoning.IsPresent || !message.ReasoningContent.IsPresent) splice.Remove(message.ReasoningContentMember);
                else splice.Replace(message.ReasoningContentName, "\"reasoning\""u8);
                break;
        }
    }

    private void DropName(View message)
    {
        splice.Remove(message.NameMember);
        if (message.Name.IsPresent && !ignored.Contains("name")) ignored.Add("name");
    }

    /// <summary>Gives the ids of calls and results the nine characters that the server asks for.</summary>
    private void Rename(ReadOnlySpan<byte> body, View message)
    {
        if (message.ToolCallId.IsPresent) RenameId(body, message.ToolCallId);
        if (!message.ToolCalls.IsPresent) return;
        var json = new Utf8JsonReader(message.ToolCalls.In(body));
        while (json.Read())
        {
            if (json.TokenType != JsonTokenType.PropertyName || json.CurrentDepth != 2 || !json.ValueTextEquals("id"u8)) continue;
            json.Read();
            if (json.TokenType == JsonTokenType.String)
                RenameId(body, new JsonSpan(message.ToolCalls.Start + (int)json.TokenStartIndex, (int)(json.BytesConsumed - json.TokenStartIndex)));
        }
    }

    private void RenameId(ReadOnlySpan<byte> body, JsonSpan id)
    {
        var text = JsonSerializer.Deserialize<string>(id.In(body))!;
        if (!CallIds.IsNineLetters(text)) splice.Replace(id, Encoding.ASCII.GetBytes($"\"{CallIds.NineLetters(text)}\""));
    }

    /// <summary>Removes a member of that name from each element's object, or from the element's object member <paramref name="parent"/>.</summary>
    private static void RemoveNested(ReadOnlySpan<byte> body, JsonSpan array, string name, BodySplice splice, string? parent = null)
    {
        var json = new Utf8JsonReader(array.In(body));
        var depth = parent is null ? 2 : 3;
        var isInParent = false;
        while (json.Read())
        {
            if (json.TokenType != JsonTokenType.PropertyName) continue;
            if (json.CurrentDepth == 2) isInParent = parent is not null && json.ValueTextEquals(parent);
            if (json.CurrentDepth != depth || (parent is not null && !isInParent) || !json.ValueTextEquals(name)) continue;
            var start = (int)json.TokenStartIndex;
            json.Read();
            json.Skip();
            splice.Remove(new JsonSpan(array.Start + start, (int)json.BytesConsumed - start));
        }
    }

    private static List<View> Read(ReadOnlySpan<byte> body, JsonSpan messages)
    {
        var found = new List<View>();
        var json = new Utf8JsonReader(messages.In(body));
        json.Read();
        while (json.Read() && json.TokenType == JsonTokenType.StartObject)
        {
            var view = new View { Start = messages.Start + (int)json.TokenStartIndex };
            while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
            {
                var start = messages.Start + (int)json.TokenStartIndex;
                // With its quotes, and as long as the caller wrote it: with escapes or without.
                var name = new JsonSpan(start, json.ValueSpan.Length + 2);
                var isRole = json.ValueTextEquals("role"u8);
                var isReasoningContent = json.ValueTextEquals("reasoning_content"u8);
                var isReasoning = json.ValueTextEquals("reasoning"u8);
                var isDetails = json.ValueTextEquals("reasoning_details"u8);
                var isName = json.ValueTextEquals("name"u8);
                var isToolCalls = json.ValueTextEquals("tool_calls"u8);
                var isToolCallId = json.ValueTextEquals("tool_call_id"u8);
                json.Read();
                var kind = json.TokenType;
                if (isRole && kind == JsonTokenType.String) view.RoleName = json.GetString();
                var value = messages.Start + (int)json.TokenStartIndex;
                json.Skip();
                var end = messages.Start + (int)json.BytesConsumed;
                var span = new JsonSpan(value, end - value);
                var member = new JsonSpan(start, end - start);
                if (isReasoningContent) (view.ReasoningContentName, view.ReasoningContentMember) = (name, member);
                else if (isReasoning) view.ReasoningMember = member;
                else if (isDetails) view.DetailsMember = member;
                else if (isName) view.NameMember = member;
                if (kind == JsonTokenType.Null) continue;
                if (isRole) view.Role = span;
                else if (isReasoningContent) view.ReasoningContent = span;
                else if (isReasoning) view.Reasoning = span;
                else if (isName) view.Name = span;
                else if (isToolCalls) view.ToolCalls = span;
                else if (isToolCallId) view.ToolCallId = span;
            }
            found.Add(view);
        }
        return found;
    }
}
