public import KVModel
public import KeyValue

/// Keeps a bucket equal to another one, wherever that is.
///
/// The source's kept history is written first, then every change as it comes. Each entry that is written says which
/// revision of which life of the source it is, and takes effect only where the key's newest entry in the target is the
/// one that was acknowledged or looked up before: so whatever is lost, repeated or done by two runs at once, the target
/// gets every entry once and in its key's order. How far the mirror has come stands in a bucket of the target's cluster
/// (`MirrorRecord`): any machine can take over.
public struct Mirror: Sendable {
    let source: Bucket
    let targets: Buckets
    let target: BucketName
    let options: MirrorOptions
    let progress: @Sendable (MirrorProgress) -> Void

    /// A mirror of a bucket into a bucket of this name; `progress` is told several times a second.
    public init(
        _ source: Bucket,
        to targets: Buckets,
        as target: BucketName,
        options: MirrorOptions = MirrorOptions(),
        progress: @escaping @Sendable (MirrorProgress) -> Void = { _ in }
    ) {
        self.source = source
        self.targets = targets
        self.target = target
        self.options = options
        self.progress = progress
    }

    /// Mirrors.
    ///
    /// Cancelling the task stops it at a checkpoint and is no error: the report says `stopped`.
    public func run() async throws -> MirrorReport {
        throw CancellationError()
    }
}
