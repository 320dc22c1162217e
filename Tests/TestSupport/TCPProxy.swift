import Foundation
import Glibc
import Synchronization

/// Forwards a loopback port to a server, on threads of its own, and breaks what it forwards when told to.
public final class TCPProxy: Sendable {
    /// Bytes forwarded since the start.
    public struct Count: Sendable, Equatable {
        /// From clients to the server.
        public var toServer = 0
        /// From the server to clients.
        public var toClient = 0
    }

    /// What the proxy does by itself once enough has passed through it.
    public enum Fault: Sendable {
        /// Closes all connections; new ones are taken.
        case cut
        /// Stops forwarding; connections stay open.
        case stall
    }

    private struct Connection {
        let client: Int32
        let server: Int32
        var openEnds = 2
    }

    private struct State {
        var listener: Int32?
        var isStalled = false
        var isClosed = false
        var connections: [Int: Connection] = [:]
        var accepted = 0
        var count = Count()
        var planned: [(fault: Fault, direction: any KeyPath<Count, Int> & Sendable, mark: Int)] = []
        var faults = 0
    }

    /// Where clients connect.
    public let port: Int
    private let target: Int
    private let delay: useconds_t
    private let state = Mutex(State())

    /// Starts forwarding a free port to `target`, each piece after `delay` milliseconds.
    public init(to target: Int, delay: UInt32 = 0) throws {
        self.target = target
        self.delay = delay * 1_000
        let listener: Int32
        (port, listener) = try FreePort.listen()
        take(listener)
    }

    /// Where clients connect, as a URL.
    public var url: String { "nats://127.0.0.1:\(port)" }

    /// Bytes forwarded since the start.
    public var count: Count { state.withLock { $0.count } }

    /// How many connections there have been.
    public var accepted: Int { state.withLock { $0.accepted } }

    /// How many of the planned faults have happened.
    public var faults: Int { state.withLock { $0.faults } }

    /// Plans a fault for the moment when so many bytes have passed in a direction.
    ///
    /// The thread that forwards does it between two reads, so that a busy machine can not make it too late.
    public func plan(_ fault: Fault, at marks: Int..., in direction: any KeyPath<Count, Int> & Sendable) {
        state.withLock { state in
            for mark in marks { state.planned.append((fault, direction, mark)) }
        }
    }

    /// Closes all current connections; new ones are taken.
    public func cut() {
        state.withLock { Self.cut(&$0) }
    }

    private static func cut(_ state: inout State) {
        for connection in state.connections.values {
            shutdown(connection.client, Int32(SHUT_RDWR))
            shutdown(connection.server, Int32(SHUT_RDWR))
        }
    }

    /// Refuses new connections; current ones stay.
    public func block() {
        state.withLock { state in
            if let listener = state.listener { shutdown(listener, Int32(SHUT_RDWR)) }
        }
        // The accepting thread closes the listener: only then is the port free to listen on again.
        while state.withLock({ $0.listener != nil }) { usleep(500) }
    }

    /// Takes new connections again.
    public func unblock() throws {
        guard state.withLock({ $0.listener == nil && !$0.isClosed }) else { return }
        take(try Socket.listen(port: port))
    }

    private func take(_ listener: Int32) {
        state.withLock { $0.listener = listener }
        // Weak: an abandoned proxy must be able to go, and its deinit ends this thread.
        Thread.detachNewThread { [weak self] in
            while true {
                let client = accept(listener, nil, nil)
                if client < 0, errno == EINTR { continue }
                guard client >= 0, let self else { break }
                serve(client)
            }
            if let self {
                state.withLock { state in
                    Glibc.close(listener)
                    state.listener = nil
                }
            } else {
                Glibc.close(listener)
            }
        }
    }

    /// Stops forwarding bytes, in both directions; connections stay open.
    public func stall() {
        state.withLock { $0.isStalled = true }
    }

    /// Forwards again after `stall`.
    public func resume() {
        state.withLock { $0.isStalled = false }
    }

    /// Ends everything.
    public func close() {
        state.withLock { $0.isClosed = true }
        block()
        cut()
        resume()
    }

    deinit {
        state.withLock { state in
            if let listener = state.listener { shutdown(listener, Int32(SHUT_RDWR)) }
        }
    }

    private func serve(_ client: Int32) {
        _ = fcntl(client, F_SETFD, FD_CLOEXEC)
        guard let server = try? Socket.connect(port: target) else {
            // The server is down: the client sees its connection closed at once.
            Glibc.close(client)
            return
        }
        var yes: Int32 = 1
        setsockopt(client, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, socklen_t(MemoryLayout<Int32>.size))
        let id = state.withLock { state in
            state.accepted += 1
            state.connections[state.accepted] = Connection(client: client, server: server)
            return state.accepted
        }
        Thread.detachNewThread { self.pump(id, from: client, to: server, counting: \.toServer) }
        Thread.detachNewThread { self.pump(id, from: server, to: client, counting: \.toClient) }
    }

    private func pump(
        _ id: Int,
        from source: Int32,
        to sink: Int32,
        counting direction: any WritableKeyPath<Count, Int> & Sendable
    ) {
        let size = 1 << 16
        let buffer = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 16)
        defer { buffer.deallocate() }
        while true {
            let received = recv(source, buffer, size, 0)
            if received < 0, errno == EINTR { continue }
            while state.withLock({ $0.isStalled && !$0.isClosed }) { usleep(1_000) }
            if delay > 0 { usleep(delay) }
            guard received > 0, Socket.send(sink, buffer, received) else { break }
            state.withLock { state in
                state.count[keyPath: direction] += received
                let count = state.count
                let due = state.planned.firstIndex { count[keyPath: $0.direction] >= $0.mark }
                guard let due else { return }
                switch state.planned.remove(at: due).fault {
                case .cut: Self.cut(&state)
                case .stall: state.isStalled = true
                }
                state.faults += 1
            }
        }
        shutdown(source, Int32(SHUT_RDWR))
        shutdown(sink, Int32(SHUT_RDWR))
        state.withLock { state in
            state.connections[id]?.openEnds -= 1
            guard state.connections[id]?.openEnds == 0 else { return }
            state.connections[id] = nil
            Glibc.close(source)
            Glibc.close(sink)
        }
    }
}
