using KernelGateway.Core.Journals;

namespace KernelGateway.Core.Kernels;

/// <summary>One thing a kernel said, ready for the journal but for what only its session knows.</summary>
/// <param name="Draft">The entry without context and execution.</param>
/// <param name="MessageType">The msg_type; empty when it is no message.</param>
/// <param name="ParentId">The msg_id of the request that caused it.</param>
internal readonly record struct KernelOutput(JournalEntry Draft, string MessageType, string? ParentId);
