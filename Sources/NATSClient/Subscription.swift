public import NATSProtocol
import NIOCore
import Synchronization

/// The messages of one subject, in batches.
///
/// What has arrived and was not taken is bounded. Unless it is made to end instead (see ``Overflow``), beyond its
/// capacity the **whole connection** stops reading until this subscription has been read down to half. Nothing is
/// dropped. So whoever consumes a subscription must not wait,
/// in the same task and without going on to read, for something that comes over the same connection (a request, a
/// flush): with the subscription full its answer could not arrive. Take that to another task or another connection.
///
/// It ends (`nil`) after ``unsubscribe()``, a drain or the connection's close, and fails if the server forbids it.
/// Letting go of it does not end it.
public final class Subscription: Sendable, AsyncSequence {
    /// Batches of messages.
    public typealias Element = MessageBatch

    /// What happens when more has arrived than may wait.
    public enum Overflow: Sendable, Hashable {
        /// The whole connection stops reading until there is room.
        case pausesConnection
        /// The subscription ends: what has arrived may still be taken, what comes later is dropped.
        case ends
    }

    /// What the connection is to do about what has arrived.
    enum Reception {
        case takesMore
        case pausesConnection
        case ends
    }

    private struct State {
        var hasOverflowed = false
        var queue = CircularBuffer<MessageBatch>()
        var queuedBytes = 0
        var isPausing = false
        var end: Result<Void, NATSError>?
        var waiters = CircularBuffer<SingleResult<MessageBatch?>>()
    }

    /// The subject, possibly with wildcards.
    public let subject: String

    let sid: UInt32
    private let capacity: Int
    private let overflow: Overflow
    private let connection: Connection
    private let state = Mutex(State())

    init(subject: String, sid: UInt32, capacity: Int, overflow: Overflow, connection: Connection) {
        self.overflow = overflow
        self.subject = subject
        self.sid = sid
        self.capacity = Swift.max(1, capacity)
        self.connection = connection
    }

    /// The bytes that wait to be taken.
    public var queuedBytes: Int { state.withLock { $0.queuedBytes } }

    /// Whether it ended because more had arrived than may wait.
    public var hasOverflowed: Bool { state.withLock { $0.hasOverflowed } }

    /// Whether this subscription keeps the connection from reading.
    var isPausing: Bool { state.withLock { $0.isPausing } }

    /// The next batch, when there is one; nil at the end.
    public func next() async throws -> MessageBatch? {
        switch take() {
        case .batch(let batch): return batch
        case .wait(let result): return try await result.wait()
        }
    }

    /// The next batch within a time; fails with ``NATSError/Code/timeout`` after it, and nothing is lost by that.
    public func next(timeout: Duration) async throws -> MessageBatch? {
        switch take() {
        case .batch(let batch):
            return batch
        case .wait(let result):
            let timer = connection.after(timeout) { [subject] in
                result.resolve(
                    .failure(NATSError(.timeout, subject: subject, cause: "no message came in time"))
                )
            }
            defer { timer.cancel() }
            return try await result.wait()
        }
    }

    /// Ends the subscription; what has arrived may still be taken.
    public func unsubscribe() async {
        cancel()
    }

    /// Ends the subscription, from where nothing can be waited for.
    package func cancel() {
        connection.unsubscribe(self)
    }

    /// Iterates over the batches.
    public func makeAsyncIterator() -> Iterator { Iterator(subscription: self) }

    /// Takes one batch after the other.
    public struct Iterator: AsyncIteratorProtocol {
        let subscription: Subscription

        /// The next batch, nil at the end.
        public func next() async throws -> MessageBatch? { try await subscription.next() }
    }

    /// Adds what has arrived, and says what the connection is to do about it.
    func enqueue(_ batch: MessageBatch) -> Reception {
        while true {
            let step = state.withLock { state -> (waiter: SingleResult<MessageBatch?>?, reception: Reception) in
                guard state.end == nil else { return (nil, .takesMore) }
                if let waiter = state.waiters.popFirst() { return (waiter, .takesMore) }
                state.queue.append(batch)
                state.queuedBytes += batch.byteCount
                guard !state.isPausing, !state.hasOverflowed, state.queuedBytes > capacity else {
                    return (nil, .takesMore)
                }
                switch overflow {
                case .pausesConnection:
                    state.isPausing = true
                    return (nil, .pausesConnection)
                case .ends:
                    state.hasOverflowed = true
                    return (nil, .ends)
                }
            }
            guard let waiter = step.waiter else { return step.reception }
            // A waiter that was cancelled or timed out refuses: the batch goes to the next one.
            if waiter.resolve(.success(batch)) { return .takesMore }
        }
    }

    /// Ends it, with an error or without; what is queued stays.
    func finish(_ end: Result<Void, NATSError>) {
        let waiters = state.withLock { state -> CircularBuffer<SingleResult<MessageBatch?>> in
            guard state.end == nil else { return [] }
            state.end = end
            state.isPausing = false
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters {
            waiter.resolve(end.map { nil }.mapError { $0 })
        }
    }

    private enum Take {
        case batch(MessageBatch?)
        case wait(SingleResult<MessageBatch?>)
    }

    private func take() -> Take {
        let (result, resumes) = state.withLock { state -> (Take, Bool) in
            if let batch = state.queue.popFirst() {
                state.queuedBytes -= batch.byteCount
                let resumes = state.isPausing && state.queuedBytes <= capacity / 2
                if resumes { state.isPausing = false }
                return (.batch(batch), resumes)
            }
            let waiter = SingleResult<MessageBatch?>()
            switch state.end {
            case .success: return (.batch(nil), false)
            case .failure(let error): waiter.resolve(.failure(error))
            case nil: state.waiters.append(waiter)
            }
            return (.wait(waiter), false)
        }
        if resumes { connection.resumeReading(for: self) }
        return result
    }
}
