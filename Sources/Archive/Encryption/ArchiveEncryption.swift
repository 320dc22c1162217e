import GRDB

/// That an archive is encrypted, and how it opens.
public struct ArchiveEncryption: Sendable, Equatable {
    /// What opens it.
    public let kind: ArchiveKey.Kind
    /// Whether all of it is encrypted with its newest data key; otherwise a `reencrypt` was interrupted.
    public let isComplete: Bool
}

extension ArchiveReader {
    /// How the archive is encrypted; nil if it is not.
    public func encryption() throws -> ArchiveEncryption? {
        try read { try $0.encryption() }
    }
}

extension Database {
    func encryption() throws -> ArchiveEncryption? {
        try dataKeys().last.map { ArchiveEncryption(kind: $0.wrapping.kind, isComplete: $0.isComplete) }
    }
}
