import Foundation
import Glibc
import Synchronization

/// A server that does what no nats-server does: it runs a test's script on every connection, on a thread of its own.
///
/// The script sends what it likes. Where it returns or throws, its connection is closed.
public final class HostileServer: Sendable {
    /// What is done with a connection, given its number, counted from 1.
    public typealias Script = @Sendable (HostileSession, Int) throws -> Void

    private struct State {
        var isClosed = false
        var accepted = 0
        var open: [Int: Int32] = [:]
    }

    /// Where it listens.
    public let port: Int
    private let listener: Int32
    private let script: Script
    private let state = Mutex(State())

    /// Listens on a free port and runs the script on whoever comes.
    public init(_ script: @escaping Script) throws {
        (port, listener) = try FreePort.listen()
        self.script = script
        let listener = listener
        // Weak: an abandoned server must be able to go, and its deinit ends this thread.
        Thread.detachNewThread { [weak self] in
            while true {
                let client = accept(listener, nil, nil)
                if client < 0, errno == EINTR { continue }
                guard client >= 0, let self else { break }
                serve(client)
            }
            Glibc.close(listener)
        }
    }

    // Not twice: once it is closed, the number of its socket may be another's.
    deinit { close() }

    /// Where it listens, as a URL.
    public var url: String { "nats://127.0.0.1:\(port)" }

    /// How many connections there have been.
    public var accepted: Int { state.withLock { $0.accepted } }

    /// Takes no more connections and closes those that are open.
    public func close() {
        state.withLock { state in
            guard !state.isClosed else { return }
            state.isClosed = true
            shutdown(listener, Int32(SHUT_RDWR))
            for socket in state.open.values { shutdown(socket, Int32(SHUT_RDWR)) }
        }
    }

    private func serve(_ client: Int32) {
        _ = fcntl(client, F_SETFD, FD_CLOEXEC)
        let number = state.withLock { state in
            state.accepted += 1
            state.open[state.accepted] = client
            return state.accepted
        }
        Thread.detachNewThread { [self] in
            do {
                try script(HostileSession(client), number)
            } catch {
                // The client has gone, or said what the script did not expect: either way this connection is over.
            }
            state.withLock { state in
                state.open[number] = nil
                Glibc.close(client)
            }
        }
    }
}
