import JetStream
import KVModel
import KeyValue
import Synchronization

/// What happens to a mirror.
enum MirrorEvent: Sendable {
    /// Entries were read from the source; so often reading had to be resumed.
    case batch(WatchBatch, restarts: Int)
    /// The watch on the source has begun, with so many entries to come.
    case began(pending: UInt64)
    /// The server said what came of writes.
    case answers([(number: UInt64, answer: NumberedPublisher.Answer)])
    /// A key's newest entry in the target was looked up.
    case found(KeyDigest, StoredMessage?)
    /// The target's last sequence was looked up, with its message.
    case end(KeyDigest, UInt64, StoredMessage?)
    /// A key could not be looked up.
    case notFound(KeyDigest, any Error)
    /// The source was asked how it is.
    case source(StreamInfo)
    /// The target was asked how it is.
    case target(StreamInfo)
    /// The record was written, or could not be.
    case recorded(Result<MirrorRecords.Held, any Error>)
    /// Something that cannot be gone on from.
    case failed(any Error)
    /// Some time has passed.
    case tick
}

/// The one place where a mirror waits: what happens is put in, by any task, and taken out by one.
///
/// It also bounds what was read from the source and not let go of: whoever reads waits for room.
final class MirrorInbox: Sendable {
    private struct State {
        var events: [MirrorEvent] = []
        var bytes = 0
        var taker: CheckedContinuation<Void, Never>?
        var reader: CheckedContinuation<Void, Never>?
        var isClosed = false
    }

    private let state = Mutex(State())
    private let limit: Int

    /// Room for so many bytes that were read.
    init(limit: Int) {
        self.limit = limit
    }

    /// Puts an event in, with the bytes of what was read that it holds.
    func put(_ event: MirrorEvent, bytes: Int = 0) {
        let taker = state.withLock { state -> CheckedContinuation<Void, Never>? in
            state.events.append(event)
            state.bytes += bytes
            defer { state.taker = nil }
            return state.taker
        }
        taker?.resume()
    }

    /// Lets go of bytes that were read.
    func release(_ bytes: Int) {
        guard bytes > 0 else { return }
        let reader = state.withLock { state -> CheckedContinuation<Void, Never>? in
            state.bytes -= bytes
            guard state.bytes < limit else { return nil }
            defer { state.reader = nil }
            return state.reader
        }
        reader?.resume()
    }

    /// Waits until there is room for more of what is read.
    func room() async throws {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let hasRoom = state.withLock { state in
                    if state.bytes < limit || state.isClosed { return true }
                    state.reader = continuation
                    return false
                }
                if hasRoom { continuation.resume() }
            }
        } onCancel: {
            close()
        }
        try Task.checkCancellation()
    }

    /// Waits for events and takes all there are.
    func take() async throws -> [MirrorEvent] {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isDue = state.withLock { state in
                    if !state.events.isEmpty || state.isClosed { return true }
                    state.taker = continuation
                    return false
                }
                if isDue { continuation.resume() }
            }
        } onCancel: {
            close()
        }
        try Task.checkCancellation()
        return state.withLock { state in
            defer { state.events = [] }
            return state.events
        }
    }

    /// Nobody waits any more.
    private func close() {
        let waiting = state.withLock { state in
            state.isClosed = true
            defer { (state.taker, state.reader) = (nil, nil) }
            return [state.taker, state.reader]
        }
        for continuation in waiting { continuation?.resume() }
    }
}
