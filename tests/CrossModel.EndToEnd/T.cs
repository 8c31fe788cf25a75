namespace CrossModel.Tests;
public sealed class T { [Xunit.Fact] public void A_b() { Xunit.Assert.Equal(1, 1); } }
