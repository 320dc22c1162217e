import Foundation
import Glibc
import Synchronization

/// Writes to a bucket at a steady rate, whatever clients write, until stopped: over a thread of its own, and again over
/// a new connection when the server went away.
///
/// Values say the number of the write, so that no two are the same. What was not acknowledged may be stored or not: who
/// compares buckets reads them. Keys are `key.<n>`; where the server knows TTLs also `ttl.<n>`, which have a long one, and
/// `brief.<n>`, which live for a second.
public final class MixedWriter: Sendable {
    private struct State {
        var isStopping = false
        var hasEnded = false
        var written = 0
        var reconnects = 0
        var failure: (any Error)?
    }

    private let state = Mutex(State())
    private let port: Int
    private let bucket: String
    private let keys: Int
    private let hasTTL: Bool

    /// Starts writing.
    public init(port: Int, bucket: String, keys: Int, perSecond rate: Int, hasTTL: Bool, seed: UInt64) {
        self.port = port
        self.bucket = bucket
        self.keys = keys
        self.hasTTL = hasTTL
        Thread.detachNewThread { [self] in
            let failure: (any Error)?
            do {
                try write(rate: rate, seed: seed)
                failure = nil
            } catch {
                failure = error
            }
            state.withLock { state in
                state.failure = failure
                state.hasEnded = true
            }
        }
    }

    /// How many writes the server has acknowledged.
    public var written: Int { state.withLock { $0.written } }

    /// How often the server had gone away.
    public var reconnects: Int { state.withLock { $0.reconnects } }

    /// Stops, waits for the last acknowledgement and returns how many there were; throws what the writer met.
    @discardableResult
    public func stop() async throws -> Int {
        state.withLock { $0.isStopping = true }
        try await eventually("the writer's end") { self.state.withLock { $0.hasEnded } }
        if let failure = state.withLock({ $0.failure }) { throw failure }
        return written
    }

    private var isStopping: Bool { state.withLock { $0.isStopping } }

    private func write(rate: Int, seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var number = 0
        var client = try RawNATS(port: port)
        defer { client.close() }
        let begin = Date()
        while !isStopping {
            let due = Int(Date().timeIntervalSince(begin) * Double(rate)) - number
            guard due > 0 else {
                usleep(2_000)
                continue
            }
            // What was missed while the server was away is not made up for at once.
            let batch = min(due, max(1, rate / 10))
            let puts = (number..<number + batch).map { put($0, &random) }
            number += batch
            do {
                try client.putMany(bucket, puts)
                state.withLock { $0.written += batch }
            } catch RawNATSError.refused(let text) {
                throw RawNATSError.refused(text)
            } catch {
                client.close()
                client = try reconnect()
            }
        }
    }

    private func reconnect() throws -> RawNATS {
        state.withLock { $0.reconnects += 1 }
        var made: RawNATS?
        try waitOnThread("the server to be back", seconds: 60) {
            do {
                let client = try RawNATS(port: port)
                // It listens before its streams are there.
                _ = try client.streamInfo("KV_\(bucket)")
                made = client
            } catch {
                usleep(20_000)
            }
            return made != nil
        }
        guard let made else { throw RawNATSError.closed }
        return made
    }

    private func put(_ number: Int, _ random: inout SeededGenerator) -> RawPut {
        let key = Int.random(in: 0..<keys, using: &random)
        let value = Array("value \(number)".utf8)
        let name = Array("key.\(key)".utf8)
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<8: return .delete(name)
        case 8..<13: return .purge(name)
        case 13..<20: return RawPut(key: name, headers: [RawHeader("X-Number", "\(number)")], value: value)
        case 20..<25 where hasTTL:
            return RawPut(key: Array("ttl.\(key)".utf8), headers: [RawHeader("Nats-TTL", "1h")], value: value)
        case 25..<30 where hasTTL:
            return RawPut(key: Array("brief.\(key)".utf8), headers: [RawHeader("Nats-TTL", "1s")], value: value)
        default: return RawPut(key: name, value: value)
        }
    }
}
