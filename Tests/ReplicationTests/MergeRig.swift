import Archive
import KVModel
import KeyValue
import Replication
import TestSupport

/// A source and a target on one server, and merges of the first into the second.
struct MergeRig {
    let server: ServerProcess
    let folder: TemporaryDirectory
    private let path: String

    init(_ binary: ServerBinary? = nil, sourceHistory: Int = 5, targetHistory: Int = 5) async throws {
        server = try await ServerProcess.start(binary)
        folder = try TemporaryDirectory("merge")
        path = folder.file("a.cistern")
        try await server.withClient { client in
            try client.createBucket("src", history: sourceHistory)
            try client.createBucket("dst", history: targetHistory)
        }
    }

    func close() {
        server.close()
        folder.remove()
    }

    /// Brings the source into the archive.
    func capture() async throws {
        let path = path
        try await server.withBuckets { buckets in
            let writer = try ArchiveWriter.open(path: path, createIfMissing: true)
            _ = try await Capture(try await buckets.bucket(try BucketName("src")), into: writer).run()
            try writer.close()
        }
    }

    /// Options that merge into the target.
    static func options(_ change: (inout RestoreOptions) throws -> Void = { _ in }) throws -> RestoreOptions {
        var options = RestoreOptions()
        options.newName = try BucketName("dst")
        options.intoExisting = true
        try change(&options)
        return options
    }

    /// Merges the archive into the target.
    func merge(
        _ options: RestoreOptions,
        progress: @escaping @Sendable (RestoreProgress) -> Void = { _ in }
    ) async throws -> RestoreReport {
        let path = path
        return try await server.withBuckets { buckets in
            let restore = Restore(
                from: try ArchiveReader.open(path: path),
                to: buckets,
                options: options,
                progress: progress
            )
            return try await restore.run(try await restore.prepare())
        }
    }

    /// What a merge would do.
    func preview(_ options: RestoreOptions) async throws -> MergeReport? {
        let path = path
        return try await server.withBuckets { buckets in
            let restore = Restore(from: try ArchiveReader.open(path: path), to: buckets, options: options)
            return try await restore.mergePreview(try await restore.prepare())
        }
    }

    /// Every message of a bucket, as the server gives it.
    func messages(_ bucket: String) async throws -> [RawMessage] {
        try await server.withClient { try $0.getAllMessages("KV_\(bucket)") }
    }

    /// The newest message of each key.
    func newest(_ bucket: String) async throws -> [[UInt8]: RawMessage] {
        Dictionary(try await messages(bucket).map { ($0.key(in: bucket), $0) }) { $1 }
    }
}

extension RawMessage {
    /// What merging must bring over unchanged.
    var content: [String] {
        let own = headerList.filter { !$0.name.hasPrefix("Nats-Expected-") && !$0.name.hasPrefix("Cistern-") }
        return own.map(\.description) + [String(decoding: data, as: UTF8.self)]
    }

    /// Whether a merge wrote it.
    var isMerged: Bool { headerList.contains { $0.name == "Cistern-Origin" } }
}
