/// Who answers a read of a key.
public enum ReadConsistency: Sendable, Hashable {
    /// Any replica or direct mirror of the bucket (a direct get): quick, and gone on with while there is no leader, but
    /// what was written a moment ago may be missing (ADR-8 and ADR-31).
    case anyReplica
    /// The leader alone: what it acknowledged before is seen.
    case leader
}
