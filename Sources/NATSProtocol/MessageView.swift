/// One message looked at in place, without copying.
///
/// The pointers lead into the batch's bytes: a view must not leave the closure that it was given to.
public struct MessageView {
    /// The subject it was published on.
    public let subject: UnsafeRawBufferPointer

    /// The reply subject, empty if there is none.
    public let reply: UnsafeRawBufferPointer

    /// The header block as on the wire, from `NATS/1.0` to the empty line; empty if there is none.
    public let headers: UnsafeRawBufferPointer

    /// The payload.
    public let payload: UnsafeRawBufferPointer

    /// The subscription that it was delivered to.
    public let sid: UInt32

    init(_ frame: MessageFrame, in bytes: UnsafeRawBufferPointer) {
        sid = frame.sid
        subject = bytes.part(frame.subjectStart, frame.subjectLength)
        reply = bytes.part(frame.replyStart, frame.replyLength)
        headers = bytes.part(frame.headersStart, frame.headersLength)
        payload = bytes.part(frame.payloadStart, frame.payloadLength)
    }

    /// The status code of a header block that begins `NATS/1.0 ddd`, otherwise nil.
    public var status: Int? {
        // "NATS/1.0 " is 9 bytes, the code 3; an ordinary block has a line end after the version.
        guard headers.count >= 12, headers[8] == UInt8(ascii: " ") else { return nil }
        var code = 0
        for index in 9..<12 {
            let digit = headers[index] &- UInt8(ascii: "0")
            guard digit <= 9 else { return nil }
            code = code * 10 + Int(digit)
        }
        return code
    }
}

extension UnsafeRawBufferPointer {
    fileprivate func part(_ start: UInt32, _ length: UInt32) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: self[Int(start)..<Int(start) + Int(length)])
    }
}
