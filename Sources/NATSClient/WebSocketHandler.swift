import NATSProtocol
import NIOCore

/// The bytes of NATS in the frames of a WebSocket: every write a frame, every frame a part of the stream.
final class WebSocketHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private var reader = WebSocketReader()
    private var elements: [WebSocketReader.Element] = []
    /// The last ping, while too much waits to be written for its answer.
    private var owedPong: ByteBuffer?
    private var hasSaidGoodbye = false
    /// What has come before it may speak.
    private var early = ByteBuffer()
    private var isOpen = false
    private var context: ChannelHandlerContext?

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
    }

    /// Begins, as soon as nothing else is between it and the socket.
    func open() {
        isOpen = true
        guard let context, early.readableBytes > 0 else { return }
        read(early, context)
        early = ByteBuffer()
        context.fireChannelReadComplete()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var buffer = unwrapInboundIn(data)
        if isOpen {
            read(buffer, context)
        } else {
            early.writeBuffer(&buffer)
        }
    }

    private func read(_ buffer: ByteBuffer, _ context: ChannelHandlerContext) {
        var buffer = buffer
        var found: [WebSocketReader.Element] = []
        swap(&found, &elements)
        var fault: ProtocolError?
        do throws(ProtocolError) {
            try reader.read(&buffer, into: &found)
        } catch {
            fault = error
        }
        for element in found {
            switch element {
            case .bytes(let bytes): context.fireChannelRead(wrapInboundOut(bytes))
            case .ping(let payload): answer(payload, context)
            case .close(let code, let reason): closed(code, reason, context)
            }
        }
        found.removeAll(keepingCapacity: true)
        swap(&found, &elements)
        if let fault {
            sayGoodbye(code: 1002, context)
            context.fireErrorCaught(NATSError(fault))
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable, let payload = owedPong {
            owedPong = nil
            answer(payload, context)
        }
        context.fireChannelWritabilityChanged()
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let payload = unwrapOutboundIn(data)
        guard payload.readableBytes > 0 else {
            context.write(data, promise: promise)
            return
        }
        context.write(encoded(WebSocketFrame(.binary, payload: payload)), promise: promise)
    }

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        sayGoodbye(code: 1000, context)
        context.close(mode: mode, promise: promise)
    }

    /// Of several pings that cannot be answered yet, only the last one is (RFC 6455, section 5.5.3).
    private func answer(_ payload: ByteBuffer, _ context: ChannelHandlerContext) {
        guard context.channel.isWritable else {
            owedPong = payload
            return
        }
        context.writeAndFlush(encoded(WebSocketFrame(.pong, payload: payload)), promise: nil)
    }

    private func closed(_ code: UInt16?, _ reason: String, _ context: ChannelHandlerContext) {
        sayGoodbye(code: code ?? 1000, context)
        let said = [code.map { "\($0)" }, reason.isEmpty ? nil : reason].compactMap(\.self).joined(separator: " ")
        context.fireErrorCaught(
            NATSError(.disconnected, cause: "the server closed the WebSocket" + (said.isEmpty ? "" : ": \(said)"))
        )
    }

    private func sayGoodbye(code: UInt16, _ context: ChannelHandlerContext) {
        guard isOpen, !hasSaidGoodbye else { return }
        hasSaidGoodbye = true
        context.writeAndFlush(encoded(.close(code: code)), promise: nil)
    }

    private func encoded(_ frame: WebSocketFrame) -> NIOAny {
        wrapOutboundOut(frame.encoded(mask: .random(in: .min ... .max)))
    }
}
