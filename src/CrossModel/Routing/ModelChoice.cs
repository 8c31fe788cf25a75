namespace CrossModel.Routing;

/// <summary>The models of one call: the first that the caller asked for and may have, and those of <c>models</c> after it.</summary>
internal readonly record struct ModelChoice(Model First, IReadOnlyList<Model> Further)
{
    public ModelChoice(Model first) : this(first, []) { }
}
