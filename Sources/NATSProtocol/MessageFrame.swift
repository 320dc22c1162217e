/// Where one message lies in the bytes of its batch.
///
/// Plain offsets without references: an array of frames costs one allocation, however many messages it describes.
public struct MessageFrame: Sendable, Equatable {
    /// The subscription that the message was delivered to.
    public let sid: UInt32

    /// Start of the subject.
    public let subjectStart: UInt32

    /// Length of the subject.
    public let subjectLength: UInt32

    /// Start of the reply subject.
    public let replyStart: UInt32

    /// Length of the reply subject, 0 if there is none.
    public let replyLength: UInt32

    /// Start of the header block.
    public let headersStart: UInt32

    /// Length of the header block including its empty line, 0 if there is none.
    public let headersLength: UInt32

    /// Length of the payload, which follows the header block.
    public let payloadLength: UInt32

    /// Start of the payload.
    public var payloadStart: UInt32 { headersStart + headersLength }

    func movedBack(by offset: UInt32) -> MessageFrame {
        MessageFrame(
            sid: sid,
            subjectStart: subjectStart - offset,
            subjectLength: subjectLength,
            replyStart: replyLength == 0 ? 0 : replyStart - offset,
            replyLength: replyLength,
            headersStart: headersStart - offset,
            headersLength: headersLength,
            payloadLength: payloadLength
        )
    }
}
