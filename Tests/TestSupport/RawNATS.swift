import Foundation
import Glibc

/// A blocking NATS client on a POSIX socket: the tests' second opinion, sharing nothing with the code under test.
///
/// Use it on a thread of its own (`ServerProcess.withClient`, `onOwnThread`). It speaks no TLS: a server with TLS needs
/// `allow_non_tls: true` to be looked at from here. Per message it does as little as possible, in libc where a loop
/// over bytes is needed, so that debug builds are fast enough.
public final class RawNATS {
    /// A message that has come: views into the input buffer, valid until the next call.
    struct Frame {
        let subject: UnsafeRawBufferPointer
        /// Empty if the message has none.
        let reply: UnsafeRawBufferPointer
        let headers: UnsafeRawBufferPointer
        let data: UnsafeRawBufferPointer

        /// The code of a status line such as `NATS/1.0 503`.
        var status: Int? {
            guard headers.count >= 12, headers[8] == 0x20 else { return nil }
            return Int(String(decoding: headers[9..<12], as: UTF8.self))
        }
    }

    /// What the server said of itself at the start, as JSON.
    public private(set) var info = ""

    let inbox: String
    var output: [UInt8] = []
    private let socket: Int32
    private var isOpen = true
    private var requests = 0
    private var input: UnsafeMutableRawPointer
    private var capacity = 1 << 18
    private var start = 0
    private var end = 0

    /// Connects, and returns when the server has taken the credentials.
    public init(port: Int, user: String? = nil, password: String? = nil, timeout: Int = 60) throws {
        socket = try Socket.connect(port: port)
        inbox = "_RAW.\(UInt64.random(in: .min ... .max))"
        input = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 16)
        var limit = timeval(tv_sec: timeout, tv_usec: 0)
        setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))

        info = try greeting()
        var options = #"{"verbose":false,"pedantic":false,"headers":true,"no_responders":true,"lang":"raw""#
        if let user, let password { options += ",\"user\":\"\(user)\",\"pass\":\"\(password)\"" }
        write("CONNECT \(options)}\r\nSUB \(inbox).* 1\r\n")
        try roundTrip()
    }

    deinit {
        close()
        input.deallocate()
    }

    /// Closes the connection; a second call does nothing.
    public func close() {
        guard isOpen else { return }
        isOpen = false
        Glibc.close(socket)
    }

    /// Publishes without waiting for an answer.
    ///
    /// `flush` or `roundTrip` sends it.
    public func publish(_ subject: String, headers: [RawHeader] = [], data: [UInt8] = []) {
        write(subject: Array(subject.utf8), reply: "", headers: headers, data: data)
    }

    /// Sends what was written and waits until the server has processed it.
    public func roundTrip() throws {
        write("PING\r\n")
        try flush()
        while true {
            let line = try controlLine()
            if line == "PONG" { return }
        }
    }

    /// Publishes with a reply subject and waits for the first answer.
    public func request(_ subject: String, headers: [RawHeader] = [], data: [UInt8] = []) throws -> RawReply {
        requests += 1
        let reply = Array("\(inbox).r\(requests)".utf8)
        write(subject: Array(subject.utf8), reply: "\(inbox).r\(requests)", headers: headers, data: data)
        try flush()
        while true {
            let frame = try nextFrame()
            guard Self.equal(frame.subject, reply) else { continue }
            if frame.status == 503 { throw RawNATSError.noResponders(subject) }
            return RawReply(headers: Self.copy(frame.headers), data: Self.copy(frame.data))
        }
    }

    // MARK: Writing

    func write(_ text: String) {
        output.append(contentsOf: text.utf8)
    }

    func write(subject: [UInt8], reply: String, headers: [RawHeader], data: [UInt8]) {
        var block = ""
        if !headers.isEmpty {
            block = "NATS/1.0\r\n"
            for header in headers { block += "\(header.name): \(header.value)\r\n" }
            block += "\r\n"
        }
        write(headers.isEmpty ? "PUB " : "HPUB ")
        output.append(contentsOf: subject)
        let size = data.count + block.utf8.count
        write(headers.isEmpty ? " \(reply) \(size)\r\n" : " \(reply) \(block.utf8.count) \(size)\r\n")
        write(block)
        output.append(contentsOf: data)
        write("\r\n")
    }

    func flush() throws {
        guard isOpen else { throw RawNATSError.closed }
        let sent = output.withUnsafeBytes { bytes in
            bytes.baseAddress.map { Socket.send(socket, $0, bytes.count) } ?? true
        }
        output.removeAll(keepingCapacity: true)
        guard sent else { throw try refusal() ?? RawNATSError.closed }
    }

    // MARK: Reading

    /// The next message; pings are answered, other lines skipped.
    func nextFrame() throws -> Frame {
        while true {
            let length = try lineLength()
            let line = UnsafeRawBufferPointer(start: input + start, count: length)
            if line[0] == 0x4D || line[0] == 0x48 { return try frame(lineLength: length) }
            _ = try controlLine()
        }
    }

    private func frame(lineLength length: Int) throws -> Frame {
        let hasHeaders = input.load(fromByteOffset: start, as: UInt8.self) == 0x48
        let line = UnsafeRawBufferPointer(start: input + start, count: length)
        var spaces: [Int] = []
        var position = 0
        while let found = memchr(input + start + position, 0x20, length - position) {
            position = UnsafeRawPointer(found) - UnsafeRawPointer(input + start) + 1
            spaces.append(position)
        }
        guard spaces.count >= (hasHeaders ? 4 : 3) else { throw malformed(line) }
        let total = Self.number(line, from: spaces[spaces.count - 1])
        let headers = hasHeaders ? Self.number(line, from: spaces[spaces.count - 2]) : 0
        guard headers <= total else { throw malformed(line) }
        let subject = (spaces[0], spaces[1] - 1)
        let hasReply = spaces.count > (hasHeaders ? 4 : 3)
        let reply = hasReply ? (spaces[2], spaces[3] - 1) : (0, 0)
        let body = length + 2
        try fill(upTo: body + total + 2)
        let base = UnsafeRawPointer(input + start)
        let result = Frame(
            subject: UnsafeRawBufferPointer(start: base + subject.0, count: subject.1 - subject.0),
            reply: UnsafeRawBufferPointer(start: base + reply.0, count: reply.1 - reply.0),
            headers: UnsafeRawBufferPointer(start: base + body, count: headers),
            data: UnsafeRawBufferPointer(start: base + body + headers, count: total - headers)
        )
        start += body + total + 2
        return result
    }

    /// Takes a line that is no message; answers pings and throws what the server refuses.
    private func controlLine() throws -> String {
        let length = try lineLength()
        let line = UnsafeRawBufferPointer(start: input + start, count: length)
        if line[0] == 0x4D || line[0] == 0x48 {
            _ = try frame(lineLength: length)
            return ""
        }
        let text = String(decoding: line, as: UTF8.self)
        start += length + 2
        if text == "PING" {
            write("PONG\r\n")
            try flush()
        }
        if text.hasPrefix("-ERR") { throw RawNATSError.refused(text) }
        return text
    }

    private func greeting() throws -> String {
        let text = try controlLine()
        guard text.hasPrefix("INFO ") else { throw RawNATSError.malformed(text) }
        return String(text.dropFirst(5))
    }

    /// The length of the line at `start`, without its end; reads until there is one.
    private func lineLength() throws -> Int {
        var searched = 0
        while true {
            let available = end - start
            if available > searched, let found = memchr(input + start + searched, 0x0A, available - searched) {
                let length = UnsafeRawPointer(found) - UnsafeRawPointer(input + start)
                guard length >= 2 else { throw RawNATSError.malformed("an empty line") }
                return length - 1
            }
            searched = available
            try fill(upTo: available + 1)
        }
    }

    /// Reads until `count` bytes from `start` on are there.
    private func fill(upTo count: Int) throws {
        if start + count > capacity {
            if count > capacity {
                capacity = count * 2
                let larger = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 16)
                memcpy(larger, input + start, end - start)
                input.deallocate()
                input = larger
            } else {
                memmove(input, input + start, end - start)
            }
            end -= start
            start = 0
        }
        while end - start < count {
            guard isOpen else { throw RawNATSError.closed }
            let received = recv(socket, input + end, capacity - end, 0)
            if received > 0 {
                end += received
            } else if received == 0 {
                throw RawNATSError.closed
            } else if errno != EINTR {
                throw errno == EAGAIN ? RawNATSError.timeout : RawNATSError.closed
            }
        }
    }

    /// After a failed send: the `-ERR` that explains it, if one has come.
    private func refusal() throws -> RawNATSError? {
        do {
            while true { _ = try controlLine() }
        } catch RawNATSError.refused(let text) {
            return .refused(text)
        } catch {
            return nil
        }
    }

    private func malformed(_ line: UnsafeRawBufferPointer) -> RawNATSError {
        .malformed(String(decoding: line, as: UTF8.self))
    }

    // MARK: Bytes

    static func copy(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
        // One of no capacity writes its count into the empty array that all share: a race, in the sanitizer's eyes.
        guard !bytes.isEmpty else { return [] }
        return [UInt8](unsafeUninitializedCapacity: bytes.count) { buffer, initialized in
            if let to = buffer.baseAddress, let from = bytes.baseAddress { memcpy(to, from, bytes.count) }
            initialized = bytes.count
        }
    }

    static func equal(_ bytes: UnsafeRawBufferPointer, _ other: [UInt8]) -> Bool {
        guard bytes.count == other.count, let start = bytes.baseAddress else { return bytes.count == other.count }
        return memcmp(start, other, bytes.count) == 0
    }

    /// The decimal number at `offset`.
    static func number(_ bytes: UnsafeRawBufferPointer, from offset: Int) -> Int {
        var value = 0
        var index = offset
        while index < bytes.count, bytes[index] >= 0x30, bytes[index] <= 0x39 {
            value = value &* 10 &+ Int(bytes[index] - 0x30)
            index += 1
        }
        return value
    }

    /// Where the text `needle` ends in `bytes`, or nil.
    static func end(of needle: StaticString, in bytes: UnsafeRawBufferPointer) -> Int? {
        let size = needle.utf8CodeUnitCount
        guard let base = bytes.baseAddress else { return nil }
        var offset = 0
        while bytes.count - offset >= size,
            let found = memchr(base + offset, Int32(needle.utf8Start.pointee), bytes.count - offset - size + 1)
        {
            if memcmp(found, needle.utf8Start, size) == 0 { return UnsafeRawPointer(found) - base + size }
            offset = UnsafeRawPointer(found) - base + 1
        }
        return nil
    }
}

/// The answer to a request.
public struct RawReply: Sendable {
    /// Its header block, or nothing.
    public let headers: [UInt8]
    /// Its payload.
    public let data: [UInt8]

    /// The payload as text.
    public var text: String { String(decoding: data, as: UTF8.self) }
}
