import Foundation
import Glibc

/// One connection of a `HostileServer`, for the thread that runs its script.
public final class HostileSession {
    /// What a client published.
    public struct Publication {
        /// Its subject.
        public var subject: String
        /// Where it wants its answer, empty if nowhere.
        public var reply: String
        /// Its headers and payload together.
        public var body: [UInt8]
    }

    /// The client went away, or did not do in time what the script waits for.
    public struct Gone: Error {}

    private let socket: Int32
    private var received: [UInt8] = []
    private var position = 0
    /// The subscriptions of the client: the id of each subject.
    private var ids: [String: String] = [:]

    init(_ socket: Int32) {
        self.socket = socket
        var patience = timeval(tv_sec: 30, tv_usec: 0)
        setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    }

    /// The INFO of an ordinary server.
    public static let info =
        #"INFO {"server_id":"H","version":"2.11.0","proto":1,"headers":true,"max_payload":1048576}"# + "\r\n"

    // MARK: Sending

    /// Sends a text.
    public func send(_ text: String) throws { try send(Array(text.utf8)) }

    /// Sends bytes.
    public func send(_ bytes: [UInt8]) throws {
        guard bytes.withUnsafeBytes({ $0.baseAddress.map { Socket.send(socket, $0, bytes.count) } ?? true })
        else { throw Gone() }
    }

    /// Sends the same bytes over and over without reading, until so many went out or the client has taken none for a
    /// second; answers how many went out.
    public func flood(_ bytes: [UInt8], upTo limit: Int) throws -> Int {
        var patience = timeval(tv_sec: 1, tv_usec: 0)
        setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        var sent = 0
        while sent < limit {
            let written = bytes.withUnsafeBytes { Glibc.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            if written < 0, errno == EINTR { continue }
            guard written > 0 else { break }
            sent += written
        }
        return sent
    }

    /// Sends a message to whoever subscribed so that it reaches the subject.
    public func send(to subject: String, headers: String = "", _ payload: [UInt8]) throws {
        guard let id = id(for: subject) else { throw Gone() }
        let sizes = headers.isEmpty ? "" : "\(headers.utf8.count) "
        let line =
            "\(headers.isEmpty ? "MSG" : "HMSG") \(subject) \(id) \(sizes)\(headers.utf8.count + payload.count)\r\n"
        try send(Array(line.utf8) + Array(headers.utf8) + payload + Array("\r\n".utf8))
    }

    // MARK: Receiving

    /// Says what it is and takes the client in.
    public func greet(_ info: String = HostileSession.info) throws {
        try send(info)
        while try line() != "PING" {}
        try send("PONG\r\n")
    }

    /// The next publication, with PINGs answered and subscriptions noted on the way.
    public func publication() throws -> Publication {
        while true {
            let words = try line().split(separator: " ").map(String.init)
            switch words.first {
            case "PING": try send("PONG\r\n")
            case "SUB": ids[words[1]] = words[words.count - 1]
            case "PUB", "HPUB":
                guard let size = words.last.flatMap({ Int($0) }) else { throw Gone() }
                let body = try take(size + 2).dropLast(2)
                let plain = words[0] == "PUB" ? 3 : 4
                return Publication(subject: words[1], reply: words.count > plain ? words[2] : "", body: Array(body))
            default: break
            }
        }
    }

    /// The id of the subscription that takes a subject.
    public func id(for subject: String) -> String? {
        ids.first { pattern, _ in
            pattern == subject || pattern.hasSuffix("*") && subject.hasPrefix(pattern.dropLast())
        }?.value
    }

    /// Reads on, and answers PINGs, until the client goes away.
    public func stay() throws {
        while true { _ = try publication() }
    }

    /// Reads nothing and says nothing until the client goes away.
    public func keepSilent() throws {
        while true { try receive() }
    }

    /// The next line that the client says, without its end.
    public func line() throws -> String {
        while true {
            if let end = received[position...].firstIndex(of: 10) {
                defer { position = end + 1 }
                return String(decoding: received[position..<end], as: UTF8.self).trimmingCharacters(in: .newlines)
            }
            try receive()
        }
    }

    /// What the client says next, however much has come.
    public func bytes() throws -> [UInt8] {
        if received.count == position { try receive() }
        defer { position = received.count }
        return Array(received[position...])
    }

    private func take(_ count: Int) throws -> ArraySlice<UInt8> {
        while received.count - position < count { try receive() }
        defer { position += count }
        return received[position..<position + count]
    }

    private func receive() throws {
        received.removeFirst(position)
        position = 0
        var piece = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = recv(socket, &piece, piece.count, 0)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw Gone() }
            received += piece[..<count]
            return
        }
    }
}
