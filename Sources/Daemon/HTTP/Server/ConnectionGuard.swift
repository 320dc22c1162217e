import NIOCore

/// Stands next to the socket: ends a connection whose other end takes nothing of what is sent to it, and, when the
/// face stops, one that does not end by itself.
///
/// It is needed beside the idle timeout of the HTTP layer, which lets a response take as long as it likes, and the
/// closing handshake of TLS, which waits for the other end.
final class ConnectionGuard: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let sendLimit: TimeAmount
    private let stopLimit: TimeAmount
    private var pendingWrites = 0
    private var sendEnd: Scheduled<Void>?
    private var stopEnd: Scheduled<Void>?

    /// A guard with the longest time that what is sent may wait, and that a connection may outlive a stop.
    init(sendLimit: TimeAmount, stopLimit: TimeAmount) {
        self.sendLimit = sendLimit
        self.stopLimit = stopLimit
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let promise = promise ?? context.eventLoop.makePromise()
        pendingWrites += 1
        if sendEnd == nil { sendEnd = closing(context, in: sendLimit) }
        promise.futureResult.assumeIsolated().whenComplete { [self] _ in
            pendingWrites -= 1
            sendEnd?.cancel()
            sendEnd = pendingWrites > 0 ? closing(context, in: sendLimit) : nil
        }
        context.write(data, promise: promise)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is ChannelShouldQuiesceEvent, stopEnd == nil { stopEnd = closing(context, in: stopLimit) }
        context.fireUserInboundEventTriggered(event)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        sendEnd?.cancel()
        stopEnd?.cancel()
        sendEnd = nil
        stopEnd = nil
    }

    private func closing(_ context: ChannelHandlerContext, in limit: TimeAmount) -> Scheduled<Void> {
        context.eventLoop.assumeIsolated().scheduleTask(in: limit) { context.close(promise: nil) }
    }
}
