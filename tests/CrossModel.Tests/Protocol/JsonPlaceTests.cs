using System.Text;
using CrossModel.Protocol;

namespace CrossModel.Tests.Protocol;

public sealed class JsonPlaceTests
{
    // Names escaped, values of every kind in between, white space: whatever a caller's body may be.
    private static readonly byte[] Body = Encoding.UTF8.GetBytes("""
        { "model" : "a/b", "mess\u0061ges":[ {"content":"messages","role":"system"},
          {"content":[ {"text":"url","type":"text"} , {"image_url" : {"detail":null,"\u0075rl" : "http:\/\/a.example\/\"x\"" },"type":"image_url"}, {"type":"video","video":["one", "two" ]}],"role":"user"} ], "n": [1,{"a":[]}] }
        """);

    [Theory]
    [InlineData("model", "\"a/b\"")]
    [InlineData("messages[0].role", "\"system\"")]
    [InlineData("messages[1].content[1].image_url.url", """
        "http:\/\/a.example\/\"x\""
        """)]
    [InlineData("messages[1].content[2].video[1]", "\"two\"")]
    [InlineData("messages[1].content[2].video", "[\"one\", \"two\" ]")]
    [InlineData("n[1].a", "[]")]
    public void Place_IsFoundWithItsOwnBytes(string place, string value) =>
        Assert.Equal(value.Trim(), Encoding.UTF8.GetString(JsonPlace.Find(Body, place).In(Body)));
}
