namespace KernelGateway.Core.Sandboxes;

/// <summary>Remembers sandboxes over a restart of the gateway.</summary>
public interface ISandboxStore
{
    /// <summary>All records.</summary>
    IReadOnlyList<SandboxRecord> Load();

    /// <summary>Stores a record in place of the one of the same id.</summary>
    void Save(SandboxRecord record);

    /// <summary>Forgets a record.</summary>
    void Delete(string id);
}
