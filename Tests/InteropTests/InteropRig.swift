import Foundation
import JetStream
import KVModel
import KeyValue
import Logging
import NATSClient
import TestSupport
import Testing

/// A server, our client and nats-py at it.
struct InteropRig: Sendable {
    let server: ServerProcess
    let buckets: Buckets
    let python: PythonPeer

    /// Every test of this target is skipped, and says so, where nats-py is not installed.
    static let skipped: Comment = "nats-py is not there: run scripts/setup (with a network)"

    static func run(_ binary: ServerBinary, _ body: @Sendable (InteropRig) async throws -> Void) async throws {
        let server = try await ServerProcess.start(binary)
        defer { server.close() }
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        let python = try PythonPeer(script: folder.appendingPathComponent("interop.py").path)
        defer { python.close() }
        let version = try await python.perform(.init("connect").with { $0.url = server.url }).text
        #expect(version == "2.16.0")
        try await Connection.withConnection(
            try ConnectionConfiguration(server.url),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        ) { connection in
            try await body(InteropRig(server: server, buckets: Buckets(JetStreamContext(connection)), python: python))
        }
    }

    var knowsLifetimes: Bool { server.binary.isAtLeast("2.11") }

    /// A bucket made by us.
    func bucket(
        _ name: String,
        _ change: (inout BucketConfiguration) -> Void = { $0.history = 8 }
    ) async throws -> KeyValueBucket {
        var configuration = BucketConfiguration(name: try BucketName(name))
        change(&configuration)
        return KeyValueBucket(try await buckets.create(configuration))
    }

    func open(_ name: String) async throws -> KeyValueBucket { try await buckets.open(try BucketName(name)) }

    func put(_ bucket: String, _ key: String, _ value: [UInt8]) async throws -> UInt64? {
        try await python.perform(.init("put", bucket, key).with { $0.value = Data(value) }).revision
    }

    func put(_ bucket: String, _ key: String, _ value: String) async throws -> UInt64? {
        try await put(bucket, key, Array(value.utf8))
    }

    /// What nats-py reads, nil if it finds nothing.
    func get(_ bucket: String, _ key: String, at revision: UInt64? = nil) async throws -> PythonPeer.Entry? {
        let answer = try await python.answer(to: .init("get", bucket, key).with { $0.revision = revision })
        guard let error = answer.error else { return answer.entries?.first }
        #expect(error == "KeyNotFoundError", "\(answer.text ?? "")")
        return nil
    }

    /// A key's entries as nats-py lists them; so many are known to be there.
    func history(_ bucket: String, _ key: String, atLeast count: Int) async throws -> [PythonPeer.Entry] {
        try await listed(.init("history", bucket, key), atLeast: count) { $0.entries }
    }

    /// The keys that nats-py lists; so many are known to be there.
    func keys(_ bucket: String, _ filters: [String]? = nil, atLeast count: Int) async throws -> [String] {
        try await listed(.init("keys", bucket).with { $0.filters = filters }, atLeast: count) { $0.keys }
    }

    /// What nats-py lists, nothing if it says that there is nothing.
    ///
    /// A list of its ends too early at times, as its watches do (see `watched`): then it is asked again.
    private func listed<Element>(
        _ command: PythonPeer.Command,
        atLeast count: Int,
        _ elements: (PythonPeer.Answer) -> [Element]?
    ) async throws -> [Element] {
        var found: [Element] = []
        for _ in 0..<20 {
            let answer = try await python.answer(to: command)
            if let error = answer.error { #expect(error == "NoKeysError", "\(answer.text ?? "")") }
            found = elements(answer) ?? []
            if found.count >= count { break }
        }
        return found
    }

    /// What nats-py's watch shows until it says that it has shown what was there, and what is known to be there.
    func watched(
        _ bucket: String,
        _ pattern: String = ">",
        atLeast count: Int,
        _ change: (inout PythonPeer.Command) -> Void = { _ in }
    ) async throws -> [PythonPeer.Entry] {
        let watch = try await python.perform(PythonPeer.Command("watch", bucket, pattern).with(change)).watch
        var found: [PythonPeer.Entry] = []
        // Its marker comes too early where all was sent before it asked how much there is, and counted after.
        var hasEnded = false
        while !hasEnded || found.count < count {
            if let entry = try await next(watch) { found.append(entry) } else { hasEnded = true }
        }
        try await python.perform(.init("stop").with { $0.watch = watch })
        return found
    }

    /// The next entry of a watch of nats-py, nil for its marker.
    func next(_ watch: Int?) async throws -> PythonPeer.Entry? {
        try await python.perform(.init("next").with { $0.watch = watch }).entries?.first
    }
}

extension KeyValueBucket {
    /// What a watch shows until it says that it has shown what was there.
    func watched(_ patterns: [KeyPattern] = [], _ options: KeyWatchOptions = .init()) async throws -> [KeyValueEntry] {
        var found: [KeyValueEntry] = []
        for try await event in watch(patterns, options: options) {
            switch event {
            case .entry(let entry): found.append(entry)
            case .undecodable(let error): throw error
            case .endOfInitialData: return found
            }
        }
        return found
    }
}

/// An entry as both sides can show it.
struct Shown: Hashable, CustomStringConvertible {
    let key: String
    let value: [UInt8]
    let revision: UInt64?
    let operation: String

    init(_ entry: KeyValueEntry) {
        key = entry.key.description
        value = entry.value
        revision = entry.revision
        operation = entry.operation.description
    }

    init(_ entry: PythonPeer.Entry) {
        key = entry.key
        value = Array(entry.value)
        revision = entry.revision
        operation = entry.operation ?? "PUT"
    }

    var description: String { "\(operation) \(key)@\(revision ?? 0) \(value.count) bytes" }
}
