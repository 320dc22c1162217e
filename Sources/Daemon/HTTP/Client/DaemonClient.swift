import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// Asks the daemon of a configuration over its HTTP face, as a program on the same machine does.
package struct DaemonClient: Sendable {
    /// How long one answer may take.
    private static let patience = TimeAmount.seconds(10)
    /// The largest answer that is read.
    private static let largestAnswer = 64 << 20

    private let base: String
    private let token: Secret?
    private let client: HTTPClient

    /// Asks the daemon behind an address; the client is closed when `body` ends.
    package static func withClient<Result>(
        of settings: HTTPSettings,
        isolation: isolated (any Actor)? = #isolation,
        _ body: (DaemonClient) async throws -> Result
    ) async throws -> Result {
        let client = try DaemonClient(settings)
        let result: Swift.Result<Result, any Error>
        do {
            result = .success(try await body(client))
        } catch {
            result = .failure(error)
        }
        try await client.client.shutdown()
        return try result.get()
    }

    private init(_ settings: HTTPSettings) throws(DaemonError) {
        token = settings.token
        let bare = AccessRule.bare(settings.host)
        // What listens everywhere is asked here.
        let host = ["0.0.0.0", "::", ""].contains(bare) ? "127.0.0.1" : bare
        let scheme = settings.certificate == nil ? "http" : "https"
        let base = "\(scheme)://\(host.contains(":") ? "[\(host)]" : host):\(settings.port)"
        var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
        configuration.timeout.connect = .seconds(3)
        configuration.proxy = nil
        if let certificate = settings.certificate {
            // No request, and so no token, is sent before the pin is checked. It alone decides: what the machine trusts
            // otherwise says nothing of the daemon. The check is made of connections with HTTP/1 only.
            let pin = try CertificatePin(file: certificate)
            var tls = TLSConfiguration.makeClientConfiguration()
            tls.certificateVerification = .none
            configuration.tlsConfiguration = tls
            configuration.httpVersion = .http1Only
            configuration.http1_1ConnectionDebugInitializer = { pin.check($0, of: base) }
        }
        self.base = base
        // Not the platform's own network, whose TLS does not show the pin what the other end shows.
        let group = MultiThreadedEventLoopGroup.singleton
        client = HTTPClient(eventLoopGroupProvider: .shared(group), configuration: configuration)
    }

    /// Where the daemon is asked.
    package var address: String { base }

    /// Throws if no daemon answers.
    package func checkAlive() async throws {
        _ = try await answer("/healthz")
    }

    /// Everything that there is to show.
    package func status() async throws -> StatusDocument {
        try decode(try await answer("/api/v1/status"))
    }

    /// A job's newest runs, or those of all jobs, newest first.
    package func runs(of job: String?, limit: Int, before: Int64? = nil) async throws -> RunListDocument {
        let path = try job.map { "/api/v1/jobs/\(try Self.escaped($0))/runs" } ?? "/api/v1/runs"
        return try decode(try await answer("\(path)?limit=\(limit)" + (before.map { "&before=\($0)" } ?? "")))
    }

    /// Asks for a run of a job.
    package func runNow(_ job: String) async throws -> JobDocument { try await act("run", job) }

    /// Pauses a job.
    package func pause(_ job: String) async throws -> JobDocument { try await act("pause", job) }

    /// Lets a paused job go on.
    package func resume(_ job: String) async throws -> JobDocument { try await act("resume", job) }

    private func act(_ verb: String, _ job: String) async throws -> JobDocument {
        try decode(try await answer("/api/v1/jobs/\(try Self.escaped(job))/\(verb)", method: .POST))
    }

    private func decode<Document: Decodable>(_ bytes: ByteBuffer) throws -> Document {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        do {
            return try decoder.decode(Document.self, from: Data(bytes.readableBytesView))
        } catch {
            throw DaemonError(
                .http,
                text: "\(base) answers what no daemon of this version does",
                hint: "see what listens there, and whether the daemon is of the same version"
            )
        }
    }

    private func answer(_ path: String, method: HTTPMethod = .GET) async throws -> ByteBuffer {
        var request = HTTPClientRequest(url: base + path)
        request.method = method
        request.headers.add(name: AccessRule.proofHeader, value: "1")
        if let token { request.headers.add(name: "Authorization", value: "Bearer \(token.value)") }
        let response: HTTPClientResponse
        let body: ByteBuffer
        do {
            response = try await client.execute(request, timeout: Self.patience)
            body = try await response.body.collect(upTo: Self.largestAnswer)
        } catch let error as CancellationError {
            throw error
        } catch let error as DaemonError {
            throw error
        } catch {
            throw DaemonError(
                .unreachable,
                text: "no daemon answers at \(base)",
                hint: "start it with `cistern serve`, or name the file that it serves with --config"
            )
        }
        guard (200..<300).contains(response.status.code) else { throw refusal(response.status, body) }
        return body
    }

    private func refusal(_ status: HTTPResponseStatus, _ body: ByteBuffer) -> DaemonError {
        struct Document: Decodable {
            struct Failure: Decodable {
                var code: String
                var text: String
                var hint: String?
            }
            var error: Failure
        }
        do {
            let said = try JSONDecoder().decode(Document.self, from: Data(body.readableBytesView)).error
            let code: DaemonError.Code =
                switch said.code {
                case "unknown_job": .unknownJob
                case "held_by_other": .leaseHeldByOther
                default: .http
                }
            return DaemonError(code, text: said.text, hint: said.hint)
        } catch {
            return DaemonError(
                .http,
                text: "\(base) answers \(status.code)",
                hint: "see what listens there, and whether the daemon is of the same version"
            )
        }
    }

    private static func escaped(_ name: String) throws(DaemonError) -> String {
        guard let escaped = name.addingPercentEncoding(withAllowedCharacters: .alphanumerics) else {
            throw DaemonError(.unknownJob, text: "there is no job \"\(name)\"", hint: "`cistern jobs` lists them")
        }
        return escaped
    }
}
