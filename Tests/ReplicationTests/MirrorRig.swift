import JetStream
import KVModel
import KeyValue
import Logging
import NATSClient
import NATSProtocol
import Synchronization
import TestSupport

@testable import Replication

/// A source `src` on one server and a target `dst` on another, or on the same, and mirrors between them.
struct MirrorRig {
    let from: ServerProcess
    let to: ServerProcess

    /// One server, or two.
    init(_ binary: ServerBinary? = nil, servers: Int = 1, history: Int = 5, more: String = "") async throws {
        from = try await ServerProcess.start(binary)
        to = servers == 1 ? from : try await ServerProcess.start(binary)
        try await from.withClient { try $0.createBucket("src", history: history, more: more) }
    }

    /// The other way round, or between other servers.
    init(from: ServerProcess, to: ServerProcess) {
        self.from = from
        self.to = to
    }

    func close() {
        from.close()
        to.close()
    }

    /// Options for a mirror that catches up and ends.
    static func once(_ change: (inout MirrorOptions) throws -> Void = { _ in }) throws -> MirrorOptions {
        var options = MirrorOptions()
        options.follows = false
        try change(&options)
        return options
    }

    /// Options for a mirror that runs until it is stopped.
    static func following(_ change: (inout MirrorOptions) throws -> Void) throws -> MirrorOptions {
        var options = MirrorOptions()
        try change(&options)
        return options
    }

    /// Mirrors until that ends.
    @discardableResult
    func mirror(
        _ options: MirrorOptions,
        source: String = "src",
        target: String = "dst",
        from sourceURL: String? = nil,
        to targetURL: String? = nil,
        progress: @escaping @Sendable (MirrorProgress) -> Void = { _ in }
    ) async throws -> MirrorReport {
        let targetURL = targetURL ?? to.url
        return try await Self.withBuckets(sourceURL ?? from.url) { sources in
            try await Self.withBuckets(targetURL) { targets in
                let bucket = try await sources.bucket(try BucketName(source))
                let name = try BucketName(target)
                var mirror = Mirror(bucket, to: targets, as: name, options: options, progress: progress)
                mirror.returnPatience = .seconds(1)
                return try await mirror.run()
            }
        }
    }

    /// A mirror that runs until it is stopped.
    func start(
        _ options: MirrorOptions = MirrorOptions(),
        source: String = "src",
        target: String = "dst",
        from sourceURL: String? = nil,
        to targetURL: String? = nil
    ) -> RunningMirror {
        let running = RunningMirror()
        let task = Task {
            try await mirror(options, source: source, target: target, from: sourceURL, to: targetURL) { progress in
                running.note(progress)
            }
        }
        running.run(task)
        return running
    }

    static func withBuckets<Result: Sendable>(
        _ url: String,
        _ body: @Sendable (Buckets) async throws -> Result
    ) async throws -> Result {
        let configuration = ConnectionConfiguration(servers: try ServerAddress.list(url))
        return try await Connection.withConnection(configuration, logger: Logger(label: "test")) { connection in
            try await body(Buckets(JetStreamContext(connection)))
        }
    }

    /// How a target differs from its source.
    struct NotEqual: Error, CustomStringConvertible {
        let description: String
    }

    // MARK: What the servers hold

    /// The history of every key, as the server gives it, under the names that keys have in the bucket.
    func histories(_ bucket: String, on server: ServerProcess) async throws -> [[UInt8]: [[String]]] {
        let messages = try await server.withClient { try $0.getAllMessages("KV_\(bucket)") }
        return messages.reduce(into: [:]) { $0[$1.key(in: bucket), default: []].append($1.mirrored) }
    }

    /// Waits until the target holds what the source does, key by key.
    func awaitEqual(timeout: Duration = .seconds(60), source: String = "src", target: String = "dst") async throws {
        do {
            try await eventually("the target to be equal", timeout: timeout) {
                // Before a mirror has made its target there is none.
                let streams = try await to.withClient { try $0.api("STREAM.NAMES")["streams"] as? [String] ?? [] }
                guard streams.contains("KV_\(target)") else { return false }
                return try await differences(source: source, target: target).isEmpty
            }
        } catch let error as TimeoutError {
            throw NotEqual(
                description: "\(error): \(try await differences(source: source, target: target).prefix(5))"
            )
        }
    }

    /// The keys whose histories differ.
    func differences(source: String = "src", target: String = "dst") async throws -> [String] {
        let left = try await histories(source, on: from)
        let right = try await histories(target, on: to)
        return Set(left.keys).union(right.keys).filter { left[$0] != right[$0] }.map { key in
            "\(String(decoding: key, as: UTF8.self)): \((left[key] ?? []).suffix(4)) is \((right[key] ?? []).suffix(4))"
        }
    }

    /// What the target says of where its entries come from: nothing twice, nothing out of its key's order.
    func disorder(_ bucket: String = "dst") async throws -> [String] {
        let messages = try await to.withClient { try $0.getAllMessages("KV_\(bucket)") }
        var last: [[UInt8]: UInt64] = [:]
        var seen: Set<String> = []
        var found: [String] = []
        for message in messages {
            guard let id = message.headerList.first(where: { $0.name == "Nats-Msg-Id" })?.value,
                let revision = id.split(separator: ":").last.flatMap({ UInt64($0) })
            else {
                found.append("\(message) names no revision")
                continue
            }
            if !seen.insert(id).inserted { found.append("\(message) is there twice") }
            if let before = last[message.subject], before >= revision { found.append("\(message) is behind \(before)") }
            last[message.subject] = revision
        }
        return found
    }
}

/// A mirror in a task of its own.
final class RunningMirror: Sendable {
    private let state = Mutex<(task: Task<MirrorReport, any Error>?, progress: MirrorProgress?)>((nil, nil))
    private let result = Mutex<Result<MirrorReport, any Error>?>(nil)

    func run(_ task: Task<MirrorReport, any Error>) {
        state.withLock { $0.task = task }
        Task {
            let ended = await task.result
            result.withLock { $0 = ended }
        }
    }

    func note(_ progress: MirrorProgress) {
        state.withLock { $0.progress = progress }
    }

    /// What it told last.
    var progress: MirrorProgress? { state.withLock { $0.progress } }

    /// Waits until it follows.
    func live() async throws {
        do {
            try await eventually("the mirror to follow") { self.progress?.phase == .live }
        } catch let error as TimeoutError {
            let ended = result.withLock { $0.map { "\($0)" } } ?? "it runs"
            throw MirrorRig.NotEqual(description: "\(error): \(String(describing: progress)), \(ended)")
        }
    }

    /// Stops it.
    @discardableResult
    func stop() async throws -> MirrorReport {
        let task = state.withLock { $0.task }
        task?.cancel()
        return try await report()
    }

    /// Waits for its end.
    func report() async throws -> MirrorReport {
        guard let task = state.withLock({ $0.task }) else { throw CancellationError() }
        return try await task.value
    }
}

extension RawMessage {
    /// What mirroring must bring over unchanged.
    var mirrored: [String] {
        let own = headerList.filter { header in
            header.name != "Nats-Msg-Id" && !header.name.hasPrefix("Nats-Expected-")
                && !header.name.hasPrefix("Cistern-")
        }
        return own.map(\.description) + [
            data.count > 12 ? "\(data.count) bytes \(data.hashValue)" : String(decoding: data, as: UTF8.self)
        ]
    }
}
