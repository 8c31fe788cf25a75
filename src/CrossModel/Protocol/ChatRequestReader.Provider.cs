using System.Text;
using System.Globalization;
using System.Text.Json;

namespace CrossModel.Protocol;

internal static partial class ChatRequestReader
{
    private static readonly NameTable ProviderMembers = new("order", "only", "ignore", "sort", "max_price", "allow_fallbacks", "require_parameters");
    private static readonly NameTable Sorts = new("price");
    private static readonly NameTable PriceMembers = new("prompt", "completion");

    private enum ProviderMember { Order, Only, Ignore, Sort, MaxPrice, AllowFallbacks, RequireParameters }

    // The caller's own choice of route. What cannot be obeyed is refused as unsupported_parameter, never half obeyed.
    private ref partial struct Pass
    {
        private void ReadModels()
        {
            if (EnterArray("models")) _request.FallbackModels = ReadNames("models");
        }

        private void ReadProvider()
        {
            if (!EnterObject("provider")) return;
            var wish = new RoutePreferences();
            var members = Members();
            while (NextMember(ProviderMembers, ref members, out var member))
            {
                if (member < 0)
                {
                    var name = NameAt(_nameStart);
                    Refuse(ApiErrors.UnsupportedParameter("provider." + name,
                        $"provider.{ApiErrors.Echo(name)} cannot be obeyed here{UnknownParameterRule.Hint(NearestName.Find(name, ProviderMembers.Names))}"
                        + $" provider takes {ProviderMembers}."));
                }
                else if (!IsNull) wish = ReadProviderMember((ProviderMember)member, wish);
            }
            _request.Preferences = wish;
        }

        private RoutePreferences ReadProviderMember(ProviderMember member, RoutePreferences wish)
        {
            var param = "provider." + ProviderMembers.Names[(int)member];
            switch (member)
            {
                case ProviderMember.Order:
                    return EnterArray(param) ? wish with { Order = ReadNames(param) } : wish;
                case ProviderMember.Only:
                    return EnterArray(param) ? wish with { Only = ReadNames(param) } : wish;
                case ProviderMember.Ignore:
                    return EnterArray(param) ? wish with { Ignore = ReadNames(param) } : wish;
                case ProviderMember.AllowFallbacks:
                    return wish with { AllowFallbacks = ReadBoolean(param) };
                case ProviderMember.RequireParameters:
                    return wish with { RequireParameters = ReadBoolean(param) };
                case ProviderMember.MaxPrice:
                    return ReadMaxPrice(wish);
                default:
                    if (!ReadString(param)) return wish;
                    var sort = Sorts.Find(Text());
                    if (sort >= 0) return wish with { Sort = Sorts.Names[sort] };
                    Refuse(ApiErrors.UnsupportedParameter(param, $"provider.sort \"{Shown(Text())}\" cannot be obeyed here. Write \"{Sorts}\", or leave it out."));
                    return wish;
            }
        }

        private List<string> ReadNames(string param)
        {
            var names = new List<string>();
            while (NextElement())
            {
                if (!Is(JsonTokenType.String)) RefuseType($"{param}[{names.Count}]", "a string");
                else if (_json.ValueSpan.Length == 0) Refuse(ApiErrors.InvalidValue($"{param}[{names.Count}]", $"{param}[{names.Count}] is empty."));
                else names.Add(Encoding.UTF8.GetString(Text()));
            }
            return names;
        }

        private RoutePreferences ReadMaxPrice(RoutePreferences wish)
        {
            const string Place = "provider.max_price";
            if (!EnterObject(Place)) return wish;
            var members = Members();
            while (NextMember(PriceMembers, ref members, out var member))
            {
                if (member < 0)
                {
                    var name = NameAt(_nameStart);
                    Refuse(ApiErrors.UnsupportedParameter($"{Place}.{name}", $"{Place}.{ApiErrors.Echo(name)} cannot be obeyed here. {Place} takes {PriceMembers}."));
                }
                else if (IsNull) continue;
                else if (ReadPrice($"{Place}.{PriceMembers.Names[member]}") is { } price)
                    wish = member == 0 ? wish with { MaxInputPrice = price } : wish with { MaxOutputPrice = price };
            }
            return wish;
        }

        /// <summary>USD per million tokens, as a number or a decimal in a string.</summary>
        private decimal? ReadPrice(string param)
        {
            if (!Is(JsonTokenType.Number) && !Is(JsonTokenType.String)) RefuseType(param, "a number");
            else if (decimal.TryParse(Text(), NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent, CultureInfo.InvariantCulture, out var price)) return price;
            else Refuse(ApiErrors.InvalidValue(param, $"{param} must be 0 or more, in USD per million tokens."));
            return null;
        }
    }
}
