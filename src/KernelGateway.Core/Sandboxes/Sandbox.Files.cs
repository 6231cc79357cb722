using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Provisioning;

namespace KernelGateway.Core.Sandboxes;

/// <summary>Its files.</summary>
public sealed partial class Sandbox
{
    /// <summary>Its files; they are reached beside the kernels, never behind running code.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.Conflict"/>: it does not run. <see cref="ErrorCode.NotSupported"/>: its variant cannot do that.</exception>
    public ISandboxFiles Files
    {
        get
        {
            _clock.Use();
            lock (_gate)
            {
                return (_record.State, _host) switch
                {
                    (SandboxState.Running or SandboxState.Paused, IFileHost host) => host.Files,
                    (SandboxState.Running or SandboxState.Paused, not null) => throw new GatewayException(ErrorCode.NotSupported, $"The variant '{_record.Variant}' gives no access to files; 'local' and 'local-eval' do. Code can read and write them."),
                    _ => throw new GatewayException(ErrorCode.Conflict, $"The sandbox is {_record.State.ToString().ToLowerInvariant()}{(_record.StateReason is null ? "" : $" ({_record.StateReason})")}, so its files cannot be reached."),
                };
            }
        }
    }
}
