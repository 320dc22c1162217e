import AsyncHTTPClient
import Daemon
import Foundation
import Glibc
import KVModel
import Logging
import NIOCore
import NIOHTTP1
import ServiceLifecycle
import Synchronization
import TestSupport

/// A face that serves on a port of this machine until it is stopped.
final class RunningFace: Sendable {
    let port: Int
    let isSecure: Bool
    let log = CapturedLog()
    private let group: ServiceGroup
    private let task: Task<Void, any Error>

    init(
        _ control: any DaemonControl,
        port: Int? = nil,
        change: (inout HTTPSettings) -> Void = { _ in }
    ) async throws {
        var settings = HTTPSettings()
        settings.port = try port ?? FreePort.next()
        change(&settings)
        self.port = settings.port
        isSecure = settings.certificate != nil
        var logger = Logger(label: "face") { [log] _ in log }
        logger.logLevel = .info
        let group = ServiceGroup(
            configuration: .init(
                services: [try HTTPFace(settings, control: control, logger: logger)],
                logger: logger
            )
        )
        self.group = group
        let hasEnded = Ended()
        let task = Task {
            defer { hasEnded.flag.withLock { $0 = true } }
            try await group.run()
        }
        self.task = task
        try await eventually("the face") { [log] in
            hasEnded.flag.withLock { $0 } || log.lines.contains { $0.contains("listening") }
        }
        if hasEnded.flag.withLock({ $0 }) { try await task.value }
    }

    private final class Ended: Sendable {
        let flag = Mutex(false)
    }

    /// Stops gracefully, and says how long that took.
    @discardableResult
    func stop() async throws -> Duration {
        try await ContinuousClock().measure {
            await group.triggerGracefulShutdown()
            try await task.value
        }
    }

    /// What the face answers.
    func ask(
        _ path: String,
        method: String = "GET",
        headers: [(String, String)] = [],
        body: String? = nil,
        client: HTTPClient = .shared
    ) async throws -> Answer {
        var request = HTTPClientRequest(url: "\(isSecure ? "https" : "http")://127.0.0.1:\(port)\(path)")
        request.method = .init(rawValue: method)
        for (name, value) in headers { request.headers.add(name: name, value: value) }
        if let body { request.body = .bytes(ByteBuffer(string: body)) }
        let response = try await client.execute(request, timeout: .seconds(20))
        let bytes = try await response.body.collect(upTo: 8 << 20)
        return Answer(
            status: Int(response.status.code),
            text: String(buffer: bytes),
            headers: Dictionary(response.headers.map { ($0.name.lowercased(), $0.value) }) { $0 + ", " + $1 }
        )
    }

    /// An answer to a request.
    struct Answer: Sendable {
        var status: Int
        var text: String
        var headers: [String: String]

        /// The document that it is.
        func json() throws -> JSONValue {
            try JSONDecoder().decode(JSONValue.self, from: Data(text.utf8))
        }
    }
}

/// Keeps the lines that a logger writes.
struct CapturedLog: LogHandler {
    private final class Lines: Sendable {
        let all = Mutex<[(level: Logger.Level, text: String)]>([])
    }

    private let kept = Lines()
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.info

    var lines: [String] { kept.all.withLock { $0.map { "\($0.level): \($0.text)" } } }

    /// The lines of warnings and errors.
    var complaints: [String] { kept.all.withLock { $0.filter { $0.level >= .warning }.map(\.text) } }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        kept.all.withLock { $0.append((event.level, "\(event.message)")) }
    }
}

/// Why a test's own tools do not work.
struct TestError: Error, Sendable {
    let text: String
}

/// A connection to a face that sends and gets bytes as they are.
final class RawConnection: Sendable {
    private let socket: Int32

    /// Connects; with a small buffer if what is sent to it must soon have to wait.
    init(port: Int, receiveBuffer: Int32? = nil) throws {
        socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        if var receiveBuffer {
            setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &receiveBuffer, socklen_t(MemoryLayout<Int32>.size))
        }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(UInt16(port)).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
        let size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(socket, $0, size) }
        }
        guard result == 0 else { throw TestError(text: "cannot connect to port \(port)") }
    }

    deinit {
        close(socket)
    }

    func send(_ text: String) {
        let bytes = Array(text.utf8)
        _ = Glibc.send(socket, bytes, bytes.count, Int32(MSG_NOSIGNAL))
    }

    /// What comes until the other end closes, or until `seconds` are over: nil then.
    func readToEnd(seconds: Double) async throws -> String? {
        try await onOwnThread { [socket] in
            var limit = timeval(tv_sec: Int(seconds), tv_usec: Int((seconds - seconds.rounded(.down)) * 1e6))
            setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
            var text = ""
            var buffer = [UInt8](repeating: 0, count: 65_536)
            while true {
                let count = recv(socket, &buffer, buffer.count, 0)
                if count == 0 || (count < 0 && errno == ECONNRESET) { return text }
                guard count > 0 else { return nil }
                text += String(decoding: buffer[..<count], as: UTF8.self)
            }
        }
    }
}
