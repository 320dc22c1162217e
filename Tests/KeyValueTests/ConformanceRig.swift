import JetStream
import KVModel
import KeyValue
import Logging
import NATSClient
import NATSProtocol
import TestSupport
import Testing

/// A new bucket on the server of a version that tests share.
struct ConformanceRig: Sendable {
    let binary: ServerBinary
    let buckets: Buckets
    let kv: KeyValueBucket

    var name: BucketName { kv.name }

    /// A name that no other test uses.
    static func newName() throws -> BucketName {
        try BucketName("t" + String(UInt64.random(in: 0 ... .max), radix: 36))
    }

    /// Runs `body` with a bucket of its own.
    static func run(
        _ binary: ServerBinary,
        history: Int64 = 1,
        maximumValueSize: Int64 = -1,
        maximumBytes: Int64 = -1,
        limitMarkerTTL: Int64 = 0,
        _ body: @Sendable (ConformanceRig) async throws -> Void
    ) async throws {
        let server = try await SharedServers.server(binary)
        try await withBuckets(at: server.url) { buckets in
            var configuration = BucketConfiguration(name: try newName())
            configuration.history = history
            configuration.maximumValueSize = maximumValueSize
            configuration.maximumBytes = maximumBytes
            if limitMarkerTTL > 0 { configuration.limitMarkerTTL = limitMarkerTTL }
            let bucket = try await buckets.create(configuration)
            try await body(ConformanceRig(binary: binary, buckets: buckets, kv: KeyValueBucket(bucket)))
            try await buckets.delete(bucket.name)
        }
    }

    /// A watch of everything that has begun: what is written from now on comes next, and is not missed by expiring.
    func watch() async throws -> WatchSequence.Iterator {
        var events = kv.watch().makeAsyncIterator()
        while let event = try await events.next() {
            if case .endOfInitialData = event { break }
        }
        return events
    }

    /// The events of a watch up to and with its so-manieth entry; the end of the initial data counts for none.
    func events(
        _ patterns: [KeyPattern] = [],
        _ options: KeyWatchOptions = KeyWatchOptions(),
        entries count: Int,
        atEnd doing: @Sendable () async throws -> Void = {}
    ) async throws -> [String] {
        var seen: [String] = []
        var entries = 0
        for try await event in kv.watch(patterns, options: options) {
            switch event {
            case .entry(let entry):
                entries += 1
                seen.append("\(entry.operation) \(entry.key)@\(entry.revision)")
            case .undecodable(let error): seen.append("undecodable \(error.revision ?? 0)")
            case .endOfInitialData:
                seen.append("end")
                try await doing()
            }
            if entries >= count, seen.contains("end") { break }
        }
        return seen
    }
}

extension WatchEvent {
    /// The entry, if it is one.
    var shown: KeyValueEntry? {
        if case .entry(let entry) = self { entry } else { nil }
    }
}
