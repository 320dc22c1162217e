/// Finds one frame at a position of a buffer, in a single pass over its first line.
struct FrameScanner: Sendable {
    /// The operations that are lines only.
    enum Verb: Sendable {
        case info
        case ping
        case pong
        case ok
        case error
    }

    enum Step {
        case message(MessageFrame, end: Int)
        case control(Verb, argument: Range<Int>, end: Int)
        /// The frame's end is beyond the buffer; its full size if the first line tells it, otherwise 0.
        case incomplete(size: Int)
        case malformed(ProtocolError)
    }

    let controlLineLimit: Int
    let messageLimit: Int

    var lineTooLong: ProtocolError {
        ProtocolError(
            .controlLineTooLong(limit: controlLineLimit),
            cause: "the server sent a line of more than \(controlLineLimit) bytes"
        )
    }

    func malformed(_ what: String) -> ProtocolError {
        ProtocolError(
            .malformedFrame,
            cause: "the server sent bytes that are not the NATS protocol: \(what)",
            hint: "Check that the address is that of a NATS client port."
        )
    }

    func scan(_ bytes: UnsafeRawBufferPointer, from start: Int) -> Step {
        switch bytes[start] & 0xDF {
        case UInt8(ascii: "M"):
            scanMessage(bytes, from: start, verb: "MSG", hasHeaders: false)
        case UInt8(ascii: "H"):
            scanMessage(bytes, from: start, verb: "HMSG", hasHeaders: true)
        default:
            scanControl(bytes, from: start)
        }
    }

    // MARK: Messages

    /// A cursor over the blank-separated arguments of a line.
    private struct Arguments {
        let bytes: UnsafeRawBufferPointer
        var position: Int
        var start = 0
        var end = 0

        /// Moves to the next argument, empty at the end of the line; false if the buffer ends first.
        @inline(__always)
        mutating func advance() -> Bool {
            let count = bytes.count
            while position < count, bytes[position] == 0x20 || bytes[position] == 0x09 { position += 1 }
            start = position
            while position < count {
                let byte = bytes[position]
                if byte <= 0x20, byte == 0x20 || byte == 0x0D || byte == 0x0A || byte == 0x09 { break }
                position += 1
            }
            end = position
            return position < count
        }

        var atLineEnd: Bool { bytes[position] == 0x0D || bytes[position] == 0x0A }
    }

    private func scanMessage(
        _ bytes: UnsafeRawBufferPointer,
        from start: Int,
        verb: StaticString,
        hasHeaders: Bool
    ) -> Step {
        switch matches(verb, bytes, at: start) {
        case .no: return .malformed(malformed("an unknown operation"))
        case .perhaps: return .incomplete(size: 0)
        case .yes: break
        }
        var arguments = Arguments(bytes: bytes, position: start + verb.utf8CodeUnitCount)
        guard arguments.advance() else { return incompleteLine(bytes, start) }
        let subject = arguments.start..<arguments.end
        guard arguments.advance() else { return incompleteLine(bytes, start) }
        let sid = arguments.start..<arguments.end
        // What remains is [reply] [header size] size: collect until the line ends, then tell them apart by number.
        var last = 0..<0
        var secondLast = 0..<0
        var thirdLast = 0..<0
        var count = 0
        while !arguments.atLineEnd {
            guard arguments.advance() else { return incompleteLine(bytes, start) }
            guard arguments.end > arguments.start else { break }
            thirdLast = secondLast
            secondLast = last
            last = arguments.start..<arguments.end
            count += 1
        }
        let plain = hasHeaders ? 2 : 1
        guard !subject.isEmpty, count == plain || count == plain + 1 else {
            return .malformed(malformed("a message line with too many or too few arguments"))
        }
        let reply = count == plain ? 0..<0 : (hasHeaders ? thirdLast : secondLast)
        var body = arguments.position
        if bytes[body] == 0x0D { body += 1 }
        guard body < bytes.count else { return incompleteLine(bytes, start) }
        guard bytes[body] == 0x0A else { return .malformed(malformed("a line without its end")) }
        guard body - start <= controlLineLimit else { return .malformed(lineTooLong) }
        body += 1
        return locate(
            bytes,
            start: start,
            body: body,
            subject: subject,
            sid: sid,
            reply: reply,
            headers: hasHeaders ? secondLast : nil,
            size: last
        )
    }

    @inline(__always)
    private func locate(
        _ bytes: UnsafeRawBufferPointer,
        start: Int,
        body: Int,
        subject: Range<Int>,
        sid: Range<Int>,
        reply: Range<Int>,
        headers: Range<Int>?,
        size: Range<Int>
    ) -> Step {
        guard let sid = DecimalDigits.read(bytes, from: sid.lowerBound, to: sid.upperBound),
            let total = DecimalDigits.read(bytes, from: size.lowerBound, to: size.upperBound)
        else { return .malformed(malformed("a message line with a bad number")) }
        var headerLength = 0
        if let headers {
            guard let length = DecimalDigits.read(bytes, from: headers.lowerBound, to: headers.upperBound),
                length <= total
            else { return .malformed(malformed("a message line with a bad header size")) }
            headerLength = length
        }
        guard total <= messageLimit else {
            return .malformed(
                ProtocolError(
                    .messageTooLarge(size: total, limit: messageLimit),
                    cause: "the server announced a message of \(total) bytes, more than \(messageLimit)"
                )
            )
        }
        let end = body + total + 2
        guard end <= bytes.count else { return .incomplete(size: end - start) }
        guard bytes[end - 2] == 0x0D, bytes[end - 1] == 0x0A else {
            return .malformed(malformed("a message that does not end where it should"))
        }
        let frame = MessageFrame(
            sid: UInt32(truncatingIfNeeded: sid),
            subjectStart: UInt32(truncatingIfNeeded: subject.lowerBound),
            subjectLength: UInt32(truncatingIfNeeded: subject.count),
            replyStart: UInt32(truncatingIfNeeded: reply.lowerBound),
            replyLength: UInt32(truncatingIfNeeded: reply.count),
            headersStart: UInt32(truncatingIfNeeded: body),
            headersLength: UInt32(truncatingIfNeeded: headerLength),
            payloadLength: UInt32(truncatingIfNeeded: total - headerLength)
        )
        return .message(frame, end: end)
    }

    // MARK: Lines

    private enum Match {
        case yes
        case no
        case perhaps
    }

    /// Whether a verb followed by a blank or a line end stands at a position, in any case.
    @inline(__always)
    private func matches(_ verb: StaticString, _ bytes: UnsafeRawBufferPointer, at start: Int) -> Match {
        let length = verb.utf8CodeUnitCount
        let available = min(length, bytes.count - start)
        for index in 0..<available {
            var byte = bytes[start + index]
            if byte >= UInt8(ascii: "a"), byte <= UInt8(ascii: "z") { byte &= 0xDF }
            guard byte == verb.utf8Start[index] else { return .no }
        }
        guard start + length < bytes.count else { return .perhaps }
        let after = bytes[start + length]
        return after == 0x20 || after == 0x09 || after == 0x0D || after == 0x0A ? .yes : .no
    }

    private func incompleteLine(_ bytes: UnsafeRawBufferPointer, _ start: Int) -> Step {
        bytes.count - start > controlLineLimit ? .malformed(lineTooLong) : .incomplete(size: 0)
    }

    private func scanControl(_ bytes: UnsafeRawBufferPointer, from start: Int) -> Step {
        let verbs: [(StaticString, Verb)] = [
            ("PING", .ping), ("PONG", .pong), ("+OK", .ok), ("-ERR", .error), ("INFO", .info),
        ]
        for (name, verb) in verbs {
            switch matches(name, bytes, at: start) {
            case .no: continue
            case .perhaps: return .incomplete(size: 0)
            case .yes: break
            }
            guard let lineEnd = bytes[start...].firstIndex(of: 0x0A) else { return incompleteLine(bytes, start) }
            guard lineEnd - start <= controlLineLimit else { return .malformed(lineTooLong) }
            var from = start + name.utf8CodeUnitCount
            var to = lineEnd
            while to > from, bytes[to - 1] <= 0x20 { to -= 1 }
            while from < to, bytes[from] <= 0x20 { from += 1 }
            return .control(verb, argument: from..<to, end: lineEnd + 1)
        }
        return .malformed(malformed("an unknown operation"))
    }
}
