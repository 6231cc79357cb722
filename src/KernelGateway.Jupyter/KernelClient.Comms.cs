using System.Collections.Concurrent;
using KernelGateway.Jupyter.Messaging;
using Newtonsoft.Json.Linq;

namespace KernelGateway.Jupyter;

/// <summary>Comms that the kernel speaks on (Jupyter messaging protocol, "Custom Messages").</summary>
public sealed partial class KernelClient
{
    private readonly ConcurrentDictionary<string, Action<JObject>> _comms = new(StringComparer.Ordinal);

    /// <summary>Listens to one comm. Nothing is heard where IOPub is only a wake-up call.</summary>
    /// <param name="commId">Its id; one listener each.</param>
    /// <param name="heard">Is given the <c>data</c> of each comm_open and comm_msg, in order; must not block or throw.</param>
    /// <returns>Ends the listening when disposed.</returns>
    /// <exception cref="InvalidOperationException">Somebody listens to it already.</exception>
    public IDisposable ListenToComm(string commId, Action<JObject> heard)
    {
        ArgumentNullException.ThrowIfNull(commId);
        ArgumentNullException.ThrowIfNull(heard);
        return _comms.TryAdd(commId, heard)
            ? new CommListening(this, commId)
            : throw new InvalidOperationException("Somebody listens to this comm already.");
    }

    private void TellCommListener(JupyterMessage message)
    {
        if (!_comms.IsEmpty && message.MsgType is MessageTypes.CommOpen or MessageTypes.CommMsg
            && _comms.TryGetValue(message.Content.Text("comm_id"), out var heard))
        {
            heard(message.Content.Object("data"));
        }
    }

    private sealed class CommListening(KernelClient client, string commId) : IDisposable
    {
        public void Dispose() => client._comms.TryRemove(commId, out _);
    }
}
