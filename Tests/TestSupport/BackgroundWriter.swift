import Foundation
import Glibc
import Synchronization

/// Overwrites random keys of a bucket at a steady rate, over a connection and on a thread of its own, until stopped.
public final class BackgroundWriter: Sendable {
    private struct State {
        var isStopping = false
        var hasEnded = false
        var written = 0
        var failure: (any Error)?
    }

    private let state = Mutex(State())

    /// Starts writing to keys `<prefix>0` up to `<prefix><keys - 1>`.
    public init(
        port: Int,
        bucket: String,
        keys: Int,
        prefix: String = "key.",
        size: Int,
        perSecond rate: Int,
        seed: UInt64
    ) {
        Thread.detachNewThread { [self] in
            let failure: (any Error)?
            do {
                let client = try RawNATS(port: port)
                defer { client.close() }
                try write(client, bucket: bucket, keys: keys, prefix: prefix, size: size, rate: rate, seed: seed)
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

    /// Stops, waits for the last acknowledgement and returns how many there were; throws what the writer met.
    @discardableResult
    public func stop() async throws -> Int {
        state.withLock { $0.isStopping = true }
        try await eventually("the writer's end") { self.state.withLock { $0.hasEnded } }
        if let failure = state.withLock({ $0.failure }) { throw failure }
        return written
    }

    private func write(
        _ client: RawNATS,
        bucket: String,
        keys: Int,
        prefix: String,
        size: Int,
        rate: Int,
        seed: UInt64
    ) throws {
        var random = SeededGenerator(seed: seed)
        let pool = random.bytes(size + 65_536)
        let begin = Date()
        while !state.withLock({ $0.isStopping }) {
            let due = Int(Date().timeIntervalSince(begin) * Double(rate)) - written
            guard due > 0 else {
                usleep(2_000)
                continue
            }
            let batch = min(due, 1_000)
            let puts = (0..<batch).map { _ in
                let offset = Int.random(in: 0..<65_536, using: &random)
                let key = "\(prefix)\(Int.random(in: 0..<keys, using: &random))"
                return RawPut(key: Array(key.utf8), value: Array(pool[offset..<(offset + size)]))
            }
            try client.putMany(bucket, puts)
            state.withLock { $0.written += batch }
        }
    }
}
