import Foundation
import Glibc
import Synchronization

/// Sees the entries of a bucket as they are written, one by one, before newer ones push them out.
///
/// Over a thread of its own, and again over a new connection when the server went away. What is pushed out before it was
/// looked at is not seen.
public final class WriteLog: Sendable {
    private struct State {
        var isStopping = false
        var hasEnded = false
        var seen: [RawMessage] = []
    }

    private let state = Mutex(State())

    /// Looks on from now on; the bucket need not be there yet.
    public init(port: Int, bucket: String) {
        Thread.detachNewThread { [self] in
            var next: UInt64 = 1
            var isLast = false
            while !isLast {
                // Once more after the end has been asked for, so that what was written before is seen.
                isLast = state.withLock { $0.isStopping }
                do {
                    let client = try RawNATS(port: port, timeout: 5)
                    defer { client.close() }
                    repeat {
                        isLast = state.withLock { $0.isStopping }
                        try look(client, "KV_" + bucket, &next)
                        usleep(20_000)
                    } while !isLast
                } catch {
                    // The server is away, or the bucket is not there yet.
                    usleep(50_000)
                }
            }
            state.withLock { $0.hasEnded = true }
        }
    }

    /// Looks once more, and answers what was seen.
    public func stop() async throws -> [RawMessage] {
        state.withLock { $0.isStopping = true }
        try await eventually("the end of looking") { self.state.withLock { $0.hasEnded } }
        return state.withLock { $0.seen }
    }

    private func look(_ client: RawNATS, _ stream: String, _ next: inout UInt64) throws {
        let info = try client.streamInfo(stream)
        next = max(next, info.firstSequence)
        while next <= info.lastSequence {
            if let message = try client.getMessage(stream, seq: next) {
                state.withLock { $0.seen.append(message) }
            }
            next += 1
        }
    }
}
