using KernelGateway.Core.Errors;
using KernelGateway.Jupyter;

namespace KernelGateway.Provisioners.JupyterServer;

/// <summary>Where a Jupyter Server is, and its token. Holds a secret, which its text does not show.</summary>
/// <param name="Url">The base address.</param>
/// <param name="Token">The token; empty: none.</param>
/// <param name="Socket">The unix socket it listens at; <c>null</c>: the address says.</param>
/// <param name="IsJudged">Whether somebody other than the operator chose the address, so that only public ones are dialled.</param>
internal sealed record ServerAccess(Uri Url, string Token, string? Socket = null, bool IsJudged = false)
{
    /// <summary>Checks an address.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.InvalidArgument"/>.</exception>
    internal static Uri Parse(string text, string field) =>
        Problem(text) is { } problem ? throw new GatewayException(ErrorCode.InvalidArgument, $"'{field}' {problem}.", field) : new Uri(text.TrimEnd('/') + "/");

    /// <summary>What is wrong with an address; <c>null</c> when nothing is.</summary>
    internal static string? Problem(string text) =>
        !Uri.TryCreate(text, UriKind.Absolute, out var url) || (url.Scheme != Uri.UriSchemeHttp && url.Scheme != Uri.UriSchemeHttps) || url.Host.Length == 0
            ? "must be the base address of a Jupyter Server, such as https://jupyter.example:8888/user/me/"
        : url.UserInfo.Length > 0 || url.Query.Length > 0 || url.Fragment.Length > 0
            ? "must be a plain address; give the token by itself, not as a part of the address"
        : null;

    /// <summary>How a client reaches a kernel there.</summary>
    internal ServerKernel KernelOf(string id, HttpMessageInvoker http) => new() { Server = Url, KernelId = id, Token = Token, Http = http };

    public override string ToString() => Url.GetLeftPart(UriPartial.Path);
}
