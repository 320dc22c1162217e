import TestSupport

/// A real server that listens for WebSockets too, on every address of this machine.
struct WebSocketServer {
    let process: ServerProcess
    let port: Int

    /// Starts one without TLS.
    static func start(
        _ binary: ServerBinary? = nil,
        jetStream: Bool = true
    ) async throws -> WebSocketServer {
        let port = try FreePort.next()
        let process = try await ServerProcess.start(
            binary,
            options: .init(
                configuration: "websocket { listen: \"[::]:\(port)\", no_tls: true }",
                jetStream: jetStream
            )
        )
        return WebSocketServer(process: process, port: port)
    }

    var url: String { "ws://127.0.0.1:\(port)" }

    func close() { process.close() }
}
