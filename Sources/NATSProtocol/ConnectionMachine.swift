/// The life of one connection, from the opened socket to its end: events in, actions out.
///
/// It is told what was received and that time has passed, and answers what to do. What lives longer than one
/// connection (which server next, what is subscribed, who waits for a reply) is not here.
public struct ConnectionMachine: Sendable {
    /// When the connection is encrypted.
    public enum Security: Sendable, Equatable {
        /// If the server demands it.
        case automatic
        /// Always, after INFO; a server without TLS is refused.
        case required
        /// Always, before INFO.
        case first
        /// Settled by what carries the bytes, before INFO: what INFO says about TLS is passed over.
        case transport
    }

    /// What happened.
    public enum Event: Sendable, Equatable {
        /// The server said what it is.
        case info(ServerInfo)
        /// The server wants to know whether we live.
        case ping
        /// The server answered a PING.
        case pong
        /// The text of an -ERR line.
        case serverError(String)
        /// The ping interval has passed. While reading is paused a missing PONG says nothing.
        case tick(readingPaused: Bool)
        /// The time allowed for the handshake has passed.
        case handshakeTimeout
        /// Somebody wants to know when everything sent so far has reached the server.
        case flush(id: UInt64)
        /// The bytes received make no sense.
        case malformed(ProtocolError)
        /// The socket failed or was closed, with the reason if one is known.
        case closed(String?)
        /// This side wants to leave.
        case leave
    }

    /// What to do about it.
    public enum Action: Sendable, Equatable {
        /// Encrypt from here on.
        case startTLS
        /// Send CONNECT, with the nonce signed if there is one, and PING.
        case authenticate(nonce: String?)
        /// Send PING.
        case sendPing
        /// Send PONG.
        case sendPong
        /// The server took us: subscribe and go.
        case established(ServerInfo)
        /// The server said something new about itself.
        case infoChanged(ServerInfo)
        /// The server will shut down: go to another if there is one.
        case lameDuck
        /// Everything sent before this flush has reached the server.
        case completeFlush(id: UInt64)
        /// The server complains and stays.
        case report(ServerFault, text: String)
        /// Close the socket.
        case close
        /// It is over; these flushes will never be answered.
        case ended(Failure, flushes: [UInt64])
    }

    /// Why a connection ended.
    public enum Failure: Sendable, Equatable {
        /// The server gave a reason, in these words.
        case server(ServerFault, text: String)
        /// The server sent what is not the protocol.
        case protocolViolation(ProtocolError)
        /// Encryption is demanded and the server has none.
        case tlsNotOffered
        /// The server said nothing.
        case noInfo
        /// The server did not answer CONNECT in time.
        case noAnswerToConnect
        /// The server has stopped answering pings.
        case staleConnection
        /// The socket was closed or failed, with the reason if one is known.
        case closedByServer(String?)
        /// This side left.
        case left
    }

    private enum State: Sendable, Equatable {
        case awaitingInfo
        case authenticating(ServerInfo)
        case ready
        case ended
    }

    private let security: Security
    private let maximumPingsOutstanding: Int
    private var state = State.awaitingInfo
    /// PINGs sent and not answered, oldest first: nil for our own, an id for a flush.
    private var pings: [UInt64?] = []
    private var silentTicks = 0
    private var heardSinceTick = false
    private var complaint: Failure?

    /// Makes the machine of a connection that has just been opened.
    public init(security: Security, maximumPingsOutstanding: Int) {
        self.security = security
        self.maximumPingsOutstanding = max(1, maximumPingsOutstanding)
    }

    /// Whether the server has accepted us and the connection is alive.
    public var isReady: Bool { state == .ready }

    /// Whether the handshake is over, one way or the other.
    public var isEnded: Bool { state == .ended }

    /// Notes that bytes came in, so the other side lives; cheap, for it is called for every read.
    public mutating func heard() { heardSinceTick = true }

    /// Takes an event and answers what to do, in order.
    public mutating func event(_ event: Event) -> [Action] {
        guard state != .ended else { return [] }
        switch event {
        case .info(let info): return received(info)
        case .ping: return [.sendPong]
        case .pong: return receivedPong()
        case .serverError(let text): return received(ServerFault(text), text)
        case .tick(let paused): return tick(readingPaused: paused)
        case .handshakeTimeout: return handshakeTimeout()
        case .flush(let id):
            guard state == .ready else { return [] }
            pings.append(id)
            return [.sendPing]
        case .malformed(let error): return end(.protocolViolation(error))
        case .closed(let reason): return end(.closedByServer(reason))
        case .leave: return end(.left)
        }
    }

    private mutating func received(_ info: ServerInfo) -> [Action] {
        switch state {
        case .awaitingInfo:
            var actions: [Action] = []
            switch security {
            case .first, .transport: break
            case .automatic:
                if info.tlsRequired { actions.append(.startTLS) }
            case .required:
                guard info.tlsRequired || info.tlsAvailable else { return end(.tlsNotOffered) }
                actions.append(.startTLS)
            }
            state = .authenticating(info)
            pings.append(nil)
            return actions + [.authenticate(nonce: info.nonce)]
        case .authenticating:
            // A second INFO tells more (the account, for one) before the PONG that ends the handshake.
            state = .authenticating(info)
            return []
        case .ready:
            return [.infoChanged(info)] + (info.lameDuckMode ? [.lameDuck] : [])
        case .ended:
            return []
        }
    }

    private mutating func receivedPong() -> [Action] {
        silentTicks = 0
        // A PONG that nobody asked for does no harm.
        guard !pings.isEmpty else { return [] }
        let flush = pings.removeFirst()
        if case .authenticating(let info) = state {
            state = .ready
            return [.established(info)]
        }
        return flush.map { [.completeFlush(id: $0)] } ?? []
    }

    private mutating func received(_ fault: ServerFault, _ text: String) -> [Action] {
        if fault.closesConnection { return end(.server(fault, text: text)) }
        if state == .ready { return [.report(fault, text: text)] }
        // During the handshake an unknown complaint is most likely the reason for the end that follows.
        complaint = .server(fault, text: text)
        return []
    }

    private mutating func tick(readingPaused: Bool) -> [Action] {
        guard state == .ready else { return [] }
        if readingPaused {
            // We cannot see the server's PINGs: an unasked PONG keeps it from giving us up.
            silentTicks = 0
            heardSinceTick = false
            return [.sendPong]
        }
        if heardSinceTick {
            silentTicks = 0
            heardSinceTick = false
        } else if silentTicks >= maximumPingsOutstanding {
            return end(.staleConnection)
        }
        silentTicks += 1
        pings.append(nil)
        return [.sendPing]
    }

    private mutating func handshakeTimeout() -> [Action] {
        switch state {
        case .awaitingInfo: end(.noInfo)
        case .authenticating: end(.noAnswerToConnect)
        case .ready, .ended: []
        }
    }

    private mutating func end(_ failure: Failure) -> [Action] {
        var failure = failure
        if case .closedByServer = failure {
            // A server that waits for TLS first loses patience on its own, often before we do: the same case as silence.
            if state == .awaitingInfo { failure = .noInfo }
            if let complaint { failure = complaint }
        }
        state = .ended
        let flushes = pings.compactMap { $0 }
        pings = []
        return [.close, .ended(failure, flushes: flushes)]
    }
}
