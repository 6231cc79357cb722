namespace KernelGateway.Core.Errors;

/// <summary>Gathers what is wrong with the fields of one request, so that all of it is told at once.</summary>
internal sealed class FieldErrors
{
    private readonly List<GatewayException> _errors = [];

    /// <summary>The checked value; the other one when it is wrong, which is remembered.</summary>
    public T Check<T>(Func<T> check, T otherwise)
    {
        try
        {
            return check();
        }
        catch (GatewayException e) when (e.Code == ErrorCode.InvalidArgument)
        {
            _errors.Add(e);
            return otherwise;
        }
    }

    /// <exception cref="GatewayException"><see cref="ErrorCode.InvalidArgument"/>, with all that was wrong.</exception>
    public void ThrowIfAny()
    {
        switch (_errors)
        {
            case []:
                return;
            case [var only]:
                throw only;
            default:
                throw new GatewayException(ErrorCode.InvalidArgument, string.Join(' ', _errors.Select(e => e.Message)), _errors[0].Field)
                {
                    Fields = _errors.GroupBy(e => e.Field ?? "").ToDictionary(g => g.Key, g => g.Select(e => e.Message).ToArray()),
                };
        }
    }
}
