import JetStream
import KVModel
import KeyValue
import NATSClient
import Synchronization
import TestSupport
import Testing

/// A bucket with three replicas whose leader is taken away again and again.
@Suite("A cluster that loses the bucket's leader", .serialized)
struct ClusterTests {
    /// What somebody did to the leader.
    enum Blow: CaseIterable { case kill, stop, stepDown }

    /// The newest; all of them in the long form: older clusters may take minutes to elect on a busy machine.
    static let binaries = isLongRun ? ServerBinary.all : Array(ServerBinary.all.prefix(1))

    @Test("no acknowledged write is missing, no watch gaps or repeats, listings are whole", arguments: binaries)
    func leaders(binary: ServerBinary) async throws {
        let cluster = try await ServerCluster.start(binary)
        defer { cluster.close() }
        let urls = cluster.nodes.map(\.url).joined(separator: ",")
        try await withBuckets(at: urls) { buckets in
            var configuration = BucketConfiguration(name: try BucketName("app"))
            configuration.replicas = 3
            let bucket = try await buckets.create(configuration)
            let kv = KeyValueBucket(bucket)
            let fixed = (0..<50).map { Key("fixed.\($0)") }
            for key in fixed { try await kv.put(key, "0") }
            let run = ClusterRun()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for writer in 0..<10 {
                    let plain = KeyValueBucket(bucket, repeatsWrites: writer >= 5)
                    group.addTask { try await run.write(plain, writer: writer) }
                }
                for pattern in [">", "w.>", "w.1.*", "w.7.*"] {
                    let pattern = try KeyPattern(pattern)
                    group.addTask { try await run.watch(kv, pattern) }
                }
                group.addTask { try await run.list(kv, fixed) }
                for blow in Blow.allCases {
                    try await run.progress()
                    try await strike(blow, cluster, kv)
                }
                try await run.progress()
                run.finish()
                for try await () in group {}
            }
            try await run.compare(kv)
        }
    }

    /// Takes the leadership from whoever has it, and brings it back later.
    private func strike(_ blow: Blow, _ cluster: ServerCluster, _ kv: KeyValueBucket) async throws {
        let leader = try await leader(kv)
        let node = try #require(cluster.nodes.first { $0.name == leader })
        switch blow {
        case .kill: try await node.kill()
        case .stop: try await node.stop()
        case .stepDown:
            _ = try await kv.bucket.context.request("STREAM.LEADER.STEPDOWN.\(kv.name.streamName)")
            return
        }
        try await eventually("another leader", timeout: .seconds(180)) {
            do {
                let now = try await self.leader(kv)
                return !now.isEmpty && now != leader
            } catch is KeyValueError {
                return false
            } catch is JetStreamError {
                return false
            } catch is NATSError {
                return false
            }
        }
        try await node.restart()
    }

    private func leader(_ kv: KeyValueBucket) async throws -> String {
        try await kv.bucket.refreshed().info.reply["cluster"]?["leader"]?.string ?? ""
    }
}

/// What writers, watches and listings saw.
private final class ClusterRun: Sendable {
    private struct State {
        var acknowledged: [Revision: (key: Key, value: String)] = [:]
        var seen: [KeyPattern: [KeyValueEntry]] = [:]
        var listings = 0
        var isOver = false
    }

    private let state = Mutex(State())

    /// Nothing more is to be written.
    func finish() { state.withLock { $0.isOver = true } }

    private var isOver: Bool { state.withLock { $0.isOver } }

    /// Waits until writes, watches and listings have gone on for a while.
    func progress() async throws {
        let (writes, listings) = state.withLock { ($0.acknowledged.count, $0.listings) }
        try await eventually("writers and listings to go on") { [self] in
            state.withLock { $0.acknowledged.count > writes + 300 && $0.listings > listings + 2 }
        }
    }

    /// Writes to keys of its own; the only error there may be is that there was no answer.
    func write(_ kv: KeyValueBucket, writer: Int) async throws {
        var number = 0
        while !isOver {
            number += 1
            // Each write has a key of its own: nothing is superseded, so that nothing may be missing anywhere.
            let (key, value) = (Key("w.\(writer).\(number)"), "\(number)")
            try await Task.sleep(for: .milliseconds(10))
            do {
                let revision = try await kv.put(key, value)
                state.withLock { $0.acknowledged[revision] = (key, value) }
            } catch let error as KeyValueError where error.code == .unanswered {
                continue
            }
        }
        let key = Key("w.\(writer).end")
        let end = try await kv.put(key, "end")
        state.withLock { $0.acknowledged[end] = (key, "end") }
    }

    /// Follows a pattern to the last write.
    func watch(_ kv: KeyValueBucket, _ pattern: KeyPattern) async throws {
        let writers = (0..<10).filter { pattern.matches(Key("w.\($0).end")) }.count
        var ends = 0
        for try await entry in kv.watch([pattern], options: KeyWatchOptions(start: .history)).entries {
            state.withLock { $0.seen[pattern, default: []].append(entry) }
            if entry.string == "end" { ends += 1 }
            if ends == writers { return }
        }
    }

    /// Lists keys: those that are always there must always be listed.
    func list(_ kv: KeyValueBucket, _ fixed: [Key]) async throws {
        let pattern = try KeyPattern("fixed.*")
        while !isOver {
            do {
                #expect(try await kv.keys(matching: [pattern]).all() == fixed.sorted())
                state.withLock { $0.listings += 1 }
            } catch let error as KeyValueError where error.code == .unanswered {
                continue
            }
        }
    }

    /// Compares what was acknowledged and what was seen with what the stream holds, read message by message.
    func compare(_ kv: KeyValueBucket) async throws {
        let (acknowledged, seen) = state.withLock { ($0.acknowledged, $0.seen) }
        #expect(acknowledged.count > 1000)
        let info = try await kv.bucket.refreshed().info
        var held: [Revision: (key: Key, value: String)] = [:]
        for revision in info.state.firstSequence...info.state.lastSequence {
            guard let message = try await kv.bucket.context.message(info.name, at: revision) else { continue }
            let key = String(decoding: message.subject, as: UTF8.self).dropFirst(kv.name.subjectPrefix.count)
            held[revision] = (key: Key(String(key)), String(decoding: message.payload, as: UTF8.self))
        }
        for (revision, entry) in acknowledged {
            #expect(held[revision]?.key == entry.key && held[revision]?.value == entry.value)
        }
        for (pattern, entries) in seen {
            let revisions = entries.map(\.revision)
            let wrong = zip(revisions, revisions.dropFirst()).filter { $0 >= $1 }
            #expect(wrong.isEmpty, "\(pattern): repeated, or out of order: \(wrong.prefix(5))")
            let phantoms = entries.filter { held[$0.revision]?.key != $0.key || held[$0.revision]?.value != $0.string }
            #expect(phantoms.isEmpty, "\(pattern) saw what the stream does not hold: \(phantoms.prefix(3))")
            let missed = Set(acknowledged.filter { pattern.matches($0.value.key) }.keys).subtracting(revisions)
            #expect(missed.isEmpty, "\(pattern) missed \(missed.sorted().prefix(10))")
        }
    }
}
