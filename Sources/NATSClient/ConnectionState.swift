import NATSProtocol
import NIOCore

/// What a connection's lock guards.
struct ConnectionState {
    enum Phase {
        case idle
        case running
        case closed(NATSError)
    }

    /// An established connection.
    struct Session {
        let channel: any Channel
        let server: ServerAddress
        let epoch: Int
        var info: ServerInfo
        /// Bytes handed to the channel and not yet written to the socket.
        var outstanding = 0
    }

    struct PendingRequest {
        let subject: String
        let result: SingleResult<Message>
        let timeout: Duration
        let deadline: ContinuousClock.Instant

        init(
            _ result: SingleResult<Message>,
            _ timeout: Duration,
            _ deadline: ContinuousClock.Instant,
            _ subject: String
        ) {
            (self.result, self.timeout, self.deadline, self.subject) = (result, timeout, deadline, subject)
        }
    }

    struct ConnectWaiter {
        let result: SingleResult<Void>
        /// Whether it gives up once every server was tried.
        let failsWithRound: Bool
    }

    enum Sink: Sendable {
        case subscription(Subscription)
        case replies
    }

    var phase = Phase.idle
    var pool: ServerPool
    var session: Session?
    /// The channel of a handshake under way.
    var dialing: (any Channel)?
    var lastInfo: ServerInfo?
    var epoch = 0
    var subscriptions = SubscriptionTable<Sink>()
    /// Unsubscribed, and still to get what is on its way.
    var draining: [UInt32: Sink] = [:]
    var repliesID: UInt32?
    var pausing: Set<UInt32> = []
    var requests: [UInt64: PendingRequest] = [:]
    /// Those who wait until fewer requests are under way.
    var turns = CircularBuffer<SingleResult<Void>>()
    /// How many of them may send theirs and have not yet.
    var turnsTaken = 0
    /// When the timer of requests fires; nil if there is none.
    var nextDeadline: ContinuousClock.Instant?
    var flushes: [UInt64: SingleResult<Void>] = [:]
    var connectWaiters: [UInt64: ConnectWaiter] = [:]
    var writers: [SingleResult<Void>] = []
    var listeners: [UInt64: AsyncStream<ConnectionEvent>.Continuation] = [:]
    /// Ends a pause between two attempts.
    var pause: SingleResult<Void>?
    /// Why the last full round over the servers failed, while there is no connection.
    var roundFailure: NATSError?
    var lastFailure: NATSError?
    private var lastID: UInt64 = 0

    init(pool: ServerPool) {
        self.pool = pool
    }

    /// A number that nothing else has.
    ///
    /// 0 is never given out: it marks the flush before leaving a lame duck.
    mutating func makeID() -> UInt64 {
        lastID += 1
        return lastID
    }

    /// Takes out the next whose turn to send a request has come, and keeps room for it.
    mutating func nextTurn() -> SingleResult<Void>? {
        guard requests.count + turnsTaken < Connection.requestWindow, let turn = turns.popFirst() else { return nil }
        turnsTaken += 1
        return turn
    }

    /// Forgets everything and stays closed.
    mutating func clear(_ reason: NATSError) {
        let (pool, epoch, info, lastID) = (pool, epoch, session?.info ?? lastInfo, lastID)
        self = ConnectionState(pool: pool)
        self.epoch = epoch
        self.lastInfo = info
        self.lastID = lastID
        phase = .closed(reason)
    }

    /// The established connection, or why there is none.
    func establishedSession() throws -> Session {
        if case .closed(let reason) = phase { throw reason }
        guard let session else { throw NATSError.disconnected() }
        return session
    }
}
