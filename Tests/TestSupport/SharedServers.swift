import Foundation
import Synchronization

/// Servers that tests share, one of each version, for tests that use a bucket of their own and nothing else.
///
/// A server is started with the first test that wants its version, and stopped when the process ends.
public enum SharedServers {
    private struct State {
        var starts: [String: Task<ServerProcess, any Error>] = [:]
        var running: [ServerProcess] = []
    }

    private static let state = Mutex(State())

    /// The server of a version.
    public static func server(_ binary: ServerBinary) async throws -> ServerProcess {
        let start = state.withLock { state in
            if let start = state.starts[binary.path] { return start }
            if state.starts.isEmpty { atexit { SharedServers.closeAll() } }
            let start = Task {
                let server = try await ServerProcess.start(binary)
                SharedServers.state.withLock { $0.running.append(server) }
                return server
            }
            state.starts[binary.path] = start
            return start
        }
        return try await start.value
    }

    private static func closeAll() {
        for server in state.withLock({ $0.running }) { server.close() }
    }
}
