public import KVModel

/// A key of a mirror's target that is not what the source says, or that somebody else wrote.
public struct ReconciliationFinding: Sendable, Hashable {
    /// The kind of difference.
    public enum Kind: String, Sendable, Hashable, CaseIterable {
        /// The source has a value, the target has none.
        case missing
        /// The mirror's entry in the target is not the source's newest.
        case different
        /// The mirror's entry is in the target, and the source does not have the key any more.
        case leftover
        /// Somebody else wrote, or deleted, in the target what the source has.
        case foreign
        /// Somebody else wrote a key that the source does not have; this is no difference, and never touched.
        case additional
    }

    /// The kind of difference.
    public var kind: Kind
    /// The key, by its name in the target.
    public var key: Key
    /// The source's newest revision of it; nil if the source has none.
    public var sourceRevision: Revision?
    /// The target's newest revision of it; nil if the target has none.
    public var targetRevision: Revision?
    /// Whether it was repaired.
    public var isRepaired = false
    /// Why it was not repaired, if that was tried.
    public var obstacle: String?
}

/// What a comparison of a mirror's two buckets found, and what it repaired.
///
/// Of each key the newest entries are compared. Older ones, of buckets with a history, are not: what is missing there
/// cannot be put back into its place.
public struct ReconciliationReport: Sendable, Hashable {
    /// The mirrored bucket.
    public var source: BucketName
    /// Its cluster.
    public var sourceCluster: String
    /// The mirror's target.
    public var target: BucketName
    /// Its cluster.
    public var targetCluster: String
    /// The source's last revision when the comparison began: what is newer was not compared.
    public var revision: Revision
    /// Keys that say the same in both, or are gone in both.
    public var equal: UInt64 = 0
    /// Keys with a value in the source and none in the target.
    public var missing: UInt64 = 0
    /// Keys whose mirrored entry is not the source's newest.
    public var different: UInt64 = 0
    /// Keys that the mirror wrote and the source does not have any more.
    public var leftover: UInt64 = 0
    /// Keys of the source that others wrote, or deleted, in the target.
    public var foreign: UInt64 = 0
    /// Keys that others wrote in the target and the source does not have: no differences.
    public var additional: UInt64 = 0
    /// Keys that were written in the source since the comparison began.
    public var newer: UInt64 = 0
    /// Keys that the mirror, which is working, has not come to yet.
    public var pending: UInt64 = 0
    /// Keys whose time in the target is over, or just running out.
    public var expired: UInt64 = 0
    /// Of the differences, those that were repaired.
    public var repaired: UInt64 = 0
    /// The first of what was found.
    public var examples: [ReconciliationFinding] = []
    /// How long it took.
    public var duration = Duration.zero

    /// Keys that differ, repaired or not.
    public var differences: UInt64 { missing + different + leftover + foreign }
    /// Whether nothing differs, or everything that did was repaired.
    public var isEqual: Bool { differences == repaired }

    static let exampleLimit = 20

    /// A report that says nothing yet.
    init(
        source: BucketName,
        sourceCluster: String,
        target: BucketName,
        targetCluster: String,
        revision: Revision
    ) {
        self.source = source
        self.sourceCluster = sourceCluster
        self.target = target
        self.targetCluster = targetCluster
        self.revision = revision
    }

    mutating func add(_ finding: ReconciliationFinding) {
        switch finding.kind {
        case .missing: missing += 1
        case .different: different += 1
        case .leftover: leftover += 1
        case .foreign: foreign += 1
        case .additional: additional += 1
        }
        if finding.isRepaired { repaired += 1 }
        guard examples.count < Self.exampleLimit else {
            // What others wrote and nobody touches must not hide what differs.
            guard finding.kind != .additional, let place = examples.lastIndex(where: { $0.kind == .additional }) else {
                return
            }
            examples[place] = finding
            return
        }
        examples.append(finding)
    }

    /// Adds keys that others wrote, with some examples of them.
    mutating func add(_ examples: [ReconciliationFinding], of additional: UInt64) {
        self.additional += additional
        self.examples += examples.prefix(max(0, Self.exampleLimit - self.examples.count))
    }
}
