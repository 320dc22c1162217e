import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1

/// One thing to tell somebody: a request to an address, which is a secret.
struct Delivery: Sendable {
    /// How a try went.
    enum Outcome: Sendable, Equatable {
        case delivered
        /// It may succeed later; the text says what happened.
        case unavailable(String)
        /// It would fail again; the text says what happened.
        case refused(String)
    }

    /// What is posted; nil for a mere request.
    var body: String?
    private let address: URL

    /// Nil if the text is no address that can be asked.
    init?(_ address: Secret, body: String? = nil) {
        guard let url = URL(string: address.value), let host = url.host, !host.isEmpty,
            ["http", "https"].contains(url.scheme?.lowercased())
        else { return nil }
        self.address = url
        self.body = body
    }

    /// Where it goes, as logs may show it: an address of this kind is a password as a whole.
    var place: String { Self.place(address) }

    /// What deliveries to the same address have in common.
    var lane: String { (body == nil ? "GET " : "POST ") + address.absoluteString }

    private static func place(_ url: URL) -> String {
        let port = url.port.map { ":\($0)" } ?? ""
        return "\(url.scheme ?? "")://\(url.host ?? "")\(port)"
    }

    /// So many redirections are followed.
    private static let redirections = 3

    /// Asks once; a redirection is followed as long as it stays on the same host.
    func attempt(_ client: HTTPClient, timeout: Duration, userAgent: String) async throws -> Outcome {
        var url = address
        for _ in 0...Self.redirections {
            let response: HTTPClientResponse
            do {
                response = try await client.execute(request(url, userAgent), timeout: TimeAmount(timeout))
            } catch let error as CancellationError {
                throw error
            } catch {
                try Task.checkCancellation()
                // An error of the client may quote the address.
                return .unavailable(Self.text(error))
            }
            let status = "HTTP \(response.status.code)"
            switch response.status.code {
            case 200..<300: return .delivered
            case 301, 302, 307, 308:
                guard let location = response.headers.first(name: "Location"),
                    let next = URL(string: location, relativeTo: url)?.absoluteURL, Self.isSame(next, url)
                else { return .refused("\(status), to another host") }
                url = next
            case 408, 425, 429, 500..<600: return .unavailable(status)
            default: return .refused(status)
            }
        }
        return .refused("too many redirections")
    }

    /// Whether a redirection stays where the secret is known anyway; from HTTP to HTTPS it may go.
    private static func isSame(_ next: URL, _ url: URL) -> Bool {
        guard next.host?.lowercased() == url.host?.lowercased() else { return false }
        if next.scheme == url.scheme { return next.port == url.port }
        return url.scheme == "http" && next.scheme == "https"
    }

    private func request(_ url: URL, _ userAgent: String) -> HTTPClientRequest {
        var bare = URLComponents(url: url, resolvingAgainstBaseURL: true)
        let (user, password) = (address.user, address.password)
        bare?.user = nil
        bare?.password = nil
        var request = HTTPClientRequest(url: bare?.url?.absoluteString ?? url.absoluteString)
        request.headers.add(name: "User-Agent", value: userAgent)
        if let user {
            let pair = "\(user.removingPercentEncoding ?? user):\(password?.removingPercentEncoding ?? password ?? "")"
            request.headers.add(name: "Authorization", value: "Basic \(Data(pair.utf8).base64EncodedString())")
        }
        if let body {
            request.method = .POST
            request.headers.add(name: "Content-Type", value: "application/json")
            request.body = .bytes(ByteBuffer(string: body))
        }
        return request
    }

    private static func text(_ error: any Error) -> String {
        switch error as? HTTPClientError {
        case .connectTimeout, .readTimeout, .deadlineExceeded, .writeTimeout: "no answer in time"
        case .remoteConnectionClosed: "the connection was closed without an answer"
        case nil: "no connection"
        default: "no usable answer"
        }
    }
}
