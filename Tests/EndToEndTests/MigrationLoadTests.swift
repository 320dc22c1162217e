import Archive
import Foundation
import Glibc
import KVModel
import Synchronization
import TestSupport
import Testing

/// `cistern migrate` of a bucket that ten writers and a reader go on using.
@Suite("Migrating a bucket in use", .serialized)
struct MigrationLoadTests {
    private static let entries = isLongRun ? 50_000 : 10_000
    private static let storages =
        isLongRun ? ["memory", "file", "memory", "file", "memory", "file", "memory"] : ["memory"]

    @Test("Writers lose nothing that was acknowledged, are refused only in the pause, and reads go on until the delete")
    func underLoad() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        try await rig.createBucket("b", history: 4)
        try await rig.fill("b", count: Self.entries, keys: Self.entries / 4, size: 200)
        let port = rig.server.port
        let writers = (0..<10).map { index in
            RetryingWriter(port: port, bucket: "b", prefix: "writer\(index).", perSecond: 100)
        }
        let reader = DirectReader(port: port, bucket: "b", keys: (0..<100).map { "key.\($0)" })
        try await eventually("the writers are at work") { writers.allSatisfy { $0.acknowledged.count > 20 } }
        var pauses: [Double] = []
        for storage in Self.storages {
            let held = try await rig.server.withClient { try $0.streamInfo("KV_b").messages }
            #expect(held >= UInt64(Self.entries))
            let report = try Report(
                try await rig.cistern(
                    ["migrate", "b", "--archive", rig.archive, "--set", "storage=\(storage)", "--yes", "--json"]
                )
            )
            #expect(try report.text("outcome") == "migrated")
            pauses.append(try report.real("pause_seconds"))
            let during = writers.map { $0.acknowledged.count }
            try await eventually("the writers go on") {
                zip(writers, during).allSatisfy { $0.acknowledged.count > $1 + 20 }
            }
        }
        for writer in writers { try await writer.stop() }
        try await reader.stop()
        try await expectAll(of: writers, in: rig)
        expectOnly(refusals: writers.flatMap(\.refused), failures: reader.failures, reads: reader.reads, try steps(rig))
        pauses.sort()
        print("pauses of \(Self.entries) entries under load, in seconds: \(pauses)")
        if isLongRun { #expect(pauses[pauses.count / 2] < 2, "the median pause of \(pauses)") }
    }

    @Test(
        "Where the new bucket is filled by replay, nobody else gets in before it is whole",
        arguments: ServerBinary.all.filter { $0.isAtLeast("2.10") && !$0.isAtLeast("2.12") }
    )
    func replayed(binary: ServerBinary) async throws {
        let rig = try await Rig(binary)
        defer { rig.close() }
        try await rig.createBucket("b", history: 4)
        try await rig.fill("b", count: Self.entries, keys: Self.entries / 4, size: 200)
        let before = try await rig.messages("b")
        let port = rig.server.port
        let writers = (0..<10).map { index in
            RetryingWriter(port: port, bucket: "b", prefix: "writer\(index).", perSecond: 100)
        }
        try await eventually("the writers are at work") { writers.allSatisfy { $0.acknowledged.count > 20 } }
        let report = try Report(
            try await rig.cistern(
                ["migrate", "b", "--archive", rig.archive, "--set", "storage=memory", "--yes", "--json"]
            )
        )
        #expect(try report.object("restore")["mode"] as? String == "replay")
        let during = writers.map { $0.acknowledged.count }
        try await eventually("the writers go on") {
            zip(writers, during).allSatisfy { $0.acknowledged.count > $1 + 20 }
        }
        for writer in writers { try await writer.stop() }
        let after = try await rig.messages("b")
        #expect(after.prefix(before.count).map(\.subject) == before.map(\.subject))
        #expect(after.prefix(before.count).map(\.data) == before.map(\.data))
        let values = Dictionary(after.map { (String(decoding: $0.key(in: "b"), as: UTF8.self), $0.data) }) { $1 }
        for (key, _) in writers.flatMap(\.acknowledged) {
            let number = key.split(separator: ".").last ?? ""
            #expect(values[key] == Array("value \(number)".utf8), "\(key) was acknowledged")
        }
        expectOnly(refusals: writers.flatMap(\.refused), failures: [], reads: nil, try steps(rig))
    }

    /// Expects every acknowledged write at the revision that it was acknowledged with.
    private func expectAll(of writers: [RetryingWriter], in rig: Rig) async throws {
        let newest = Dictionary(
            try await rig.messages("b").map { (String(decoding: $0.key(in: "b"), as: UTF8.self), $0.seq) },
            uniquingKeysWith: max
        )
        for writer in writers {
            for (key, sequence) in writer.acknowledged {
                #expect(newest[key] == sequence, "\(key) was acknowledged at \(sequence)")
            }
        }
    }

    /// When each migration took which step.
    private func steps(_ rig: Rig) throws -> [[String: Timestamp]] {
        let reader = try ArchiveReader.open(path: rig.archive)
        var migrations: [[String: Timestamp]] = []
        for incarnation in try reader.incarnations() {
            for record in try reader.migrationRecords(of: incarnation.id) {
                if record.step == "trial" { migrations.append([:]) }
                migrations[migrations.count - 1][record.step] = record.time
            }
        }
        return migrations
    }

    private func expectOnly(
        refusals: [ClosedRange<Timestamp>],
        failures: [ClosedRange<Timestamp>],
        reads: [Timestamp]?,
        _ migrations: [[String: Timestamp]]
    ) {
        func isWithin(_ time: Timestamp, _ first: String, _ last: String) -> Bool {
            migrations.contains { steps in
                guard let from = steps[first], let to = steps[last] else { return false }
                return from <= time && time <= to
            }
        }
        #expect(!refusals.isEmpty, "nobody met the fence: the test proves little")
        func meets(_ span: ClosedRange<Timestamp>, _ first: String, _ last: String) -> Bool {
            migrations.contains { steps in
                guard let from = steps[first], let to = steps[last], from <= to else { return false }
                return span.overlaps(from...to)
            }
        }
        for span in refusals { #expect(meets(span, "fence", "done"), "a put was refused at \(span): \(migrations)") }
        for span in failures { #expect(meets(span, "delete", "done"), "a read failed at \(span): \(migrations)") }
        guard let reads else { return }
        #expect(migrations.count == Self.storages.count)
        #expect(reads.contains { isWithin($0, "capture", "delete") }, "nobody read while the bucket was fenced")
    }
}

/// Puts values under keys of its own, one after the other, and tries again what was refused.
private final class RetryingWriter: Sendable {
    private struct State {
        var acknowledged: [String: UInt64] = [:]
        var refused: [ClosedRange<Timestamp>] = []
        var isStopping = false
        var hasEnded = false
        var failure: (any Error)?
    }

    private let state = Mutex(State())

    init(port: Int, bucket: String, prefix: String, perSecond rate: Int) {
        Thread.detachNewThread { [self] in
            do {
                let client = try RawNATS(port: port)
                defer { client.close() }
                var number = 0
                var due = Date()
                while !state.withLock({ $0.isStopping }) {
                    let key = "\(prefix)\(number)"
                    let asked = Timestamp.wallClock()
                    do {
                        let sequence = try client.put(bucket, key, "value \(number)")
                        state.withLock { $0.acknowledged[key] = sequence }
                        number += 1
                    } catch RawNATSError.noResponders {
                        let told = max(asked, .wallClock())
                        state.withLock { $0.refused.append(asked...told) }
                    }
                    due = max(due.addingTimeInterval(1 / Double(rate)), Date(timeIntervalSinceNow: -1))
                    usleep(UInt32(max(0, due.timeIntervalSinceNow) * 1e6))
                }
            } catch {
                state.withLock { $0.failure = error }
            }
            state.withLock { $0.hasEnded = true }
        }
    }

    /// The keys that were acknowledged, and at which revision.
    var acknowledged: [String: UInt64] { state.withLock { $0.acknowledged } }
    /// From when on till when a put was under way that found nobody.
    var refused: [ClosedRange<Timestamp>] { state.withLock { $0.refused } }

    func stop() async throws {
        state.withLock { $0.isStopping = true }
        try await eventually("the writer's end") { self.state.withLock { $0.hasEnded } }
        if let failure = state.withLock({ $0.failure }) { throw failure }
    }
}

/// Asks for the newest value of one key after the other, by direct get.
private final class DirectReader: Sendable {
    private struct State {
        var reads: [Timestamp] = []
        var failures: [ClosedRange<Timestamp>] = []
        var isStopping = false
        var hasEnded = false
        var failure: (any Error)?
    }

    private let state = Mutex(State())

    init(port: Int, bucket: String, keys: [String]) {
        Thread.detachNewThread { [self] in
            do {
                // What is asked of a stream that is deleted just then gets no answer at all.
                let client = try RawNATS(port: port, timeout: 15)
                defer { client.close() }
                var number = 0
                while !state.withLock({ $0.isStopping }) {
                    let key = keys[number % keys.count]
                    number += 1
                    let asked = Timestamp.wallClock()
                    do {
                        let reply = try client.request("$JS.API.DIRECT.GET.KV_\(bucket).$KV.\(bucket).\(key)")
                        let isThere = reply.headers.starts(with: "NATS/1.0\r\n".utf8) && !reply.data.isEmpty
                        let told = max(asked, .wallClock())
                        state.withLock { state in
                            if isThere { state.reads.append(asked) } else { state.failures.append(asked...told) }
                        }
                    } catch let error as RawNATSError {
                        switch error {
                        case .noResponders, .timeout: break
                        default: throw error
                        }
                        let told = max(asked, .wallClock())
                        state.withLock { $0.failures.append(asked...told) }
                    }
                    usleep(2_000)
                }
            } catch {
                state.withLock { $0.failure = error }
            }
            state.withLock { $0.hasEnded = true }
        }
    }

    /// When the reads were asked for that were answered with a value.
    var reads: [Timestamp] { state.withLock { $0.reads } }
    /// From when on till when those were under way that were not.
    var failures: [ClosedRange<Timestamp>] { state.withLock { $0.failures } }

    func stop() async throws {
        state.withLock { $0.isStopping = true }
        try await eventually("the reader's end") { self.state.withLock { $0.hasEnded } }
        if let failure = state.withLock({ $0.failure }) { throw failure }
    }
}
