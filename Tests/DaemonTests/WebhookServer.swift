import Hummingbird
import Logging
import NIOCore
import Synchronization
import TestSupport

/// A real HTTP server that takes webhooks, keeps them, and answers what it is told to.
final class WebhookServer: Sendable {
    /// One request, as it came.
    struct Received: Sendable, Hashable {
        var method: String
        var path: String
        var headers: [String: String]
        var body: String
    }

    /// What it answers.
    enum Answer: Sendable {
        case status(Int)
        case redirect(String)
        /// No answer for so long.
        case silence(Duration)
    }

    let port: Int
    private let state = Mutex<(received: [Received], answers: [Answer])>(([], []))

    private init(port: Int) {
        self.port = port
    }

    /// Runs a server for as long as `body` takes.
    static func with(_ body: @Sendable (WebhookServer) async throws -> Void) async throws {
        let server = WebhookServer(port: try FreePort.next())
        let router = Router()
        for method in [HTTPRequest.Method.get, .post] {
            router.on("**", method: method) { request, _ in try await server.answer(request) }
        }
        var logger = Logger(label: "webhooks")
        logger.logLevel = .critical
        let (started, start) = AsyncStream.makeStream(of: Void.self)
        let application = Application(
            router: router,
            configuration: .init(address: .hostname("127.0.0.1", port: server.port)),
            onServerRunning: { _ in start.finish() },
            logger: logger
        )
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await application.run() }
            for await _ in started {}
            try await body(server)
            group.cancelAll()
        }
    }

    var received: [Received] { state.withLock { $0.received } }

    /// The next answers; after them everything is well.
    func answer(_ answers: Answer...) {
        state.withLock { $0.answers += answers }
    }

    func url(_ path: String, user: String = "") -> String { "http://\(user)127.0.0.1:\(port)\(path)" }

    private func answer(_ request: Request) async throws -> Response {
        let body = try await request.body.collect(upTo: 1 << 20)
        var headers: [String: String] = [:]
        for field in request.headers { headers[field.name.canonicalName] = field.value }
        let received = Received(
            method: request.method.rawValue,
            path: request.uri.path + (request.uri.query.map { "?\($0)" } ?? ""),
            headers: headers,
            body: String(buffer: body)
        )
        let answer = state.withLock { state -> Answer in
            state.received.append(received)
            return state.answers.isEmpty ? .status(204) : state.answers.removeFirst()
        }
        switch answer {
        case .status(let code): return Response(status: .init(code: code))
        case .redirect(let location):
            return Response(status: .temporaryRedirect, headers: [.location: location])
        case .silence(let duration):
            try await Task.sleep(for: duration)
            return Response(status: .ok)
        }
    }
}
