import Foundation
import NATSProtocol
import NIOCore
import NIOSOCKS
import NIOSSL

/// How one connection begins and ends, for the task that keeps it.
struct SessionOutcome: Sendable {
    let established = SingleResult<Void>()
    let ended = SingleResult<NATSError>()
}

/// The event loop's end of one connection: bytes to the parser, events to the machine, and its actions carried out.
final class ConnectionHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// What other threads ask of it.
    enum Command: Sendable {
        case flush(UInt64)
        case resumeReading
    }

    /// The flush after which a server that shuts down is left.
    private static let leavingFlush: UInt64 = 0

    private let connection: Connection
    private let server: ServerAddress
    private let outcome: SessionOutcome
    private let tls: TLSClient
    private let authentication: Authentication
    private let proxied: Bool
    private let security: ConnectionMachine.Security
    private let decoder = JSONDecoder()
    private var parser = FrameParser()
    private var machine: ConnectionMachine
    private var elements: [FrameParser.Element] = []
    private var readIsWithheld = false
    /// Whether a PING is to be answered once less waits to be written.
    private var owesPong = false
    private var isEncrypted: Bool
    private var failure: NATSError?
    private var timers: [Scheduled<Void>] = []
    private var ticks: RepeatedTask?
    private var context: ChannelHandlerContext?

    init(
        connection: Connection,
        server: ServerAddress,
        outcome: SessionOutcome,
        tls: TLSClient,
        authentication: Authentication,
        proxied: Bool
    ) {
        self.connection = connection
        self.server = server
        self.outcome = outcome
        self.tls = tls
        self.authentication = authentication
        self.proxied = proxied
        security = connection.configuration.security(for: server)
        isEncrypted = connection.configuration.encryptsFirst(for: server)
        machine = ConnectionMachine(
            security: security,
            maximumPingsOutstanding: connection.configuration.maximumPingsOutstanding
        )
    }

    // MARK: From the channel

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        end("the channel was taken down")
        self.context = nil
    }

    func channelActive(context: ChannelHandlerContext) {
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        timers.append(
            context.eventLoop.scheduleTask(in: TimeAmount(connection.configuration.connectTimeout)) {
                bound.value.run(.handshakeTimeout)
            }
        )
        if !proxied, security == .first { startTLS(context) }
        context.fireChannelActive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is SOCKSProxyEstablishedEvent, security == .first { startTLS(context) }
        context.fireUserInboundEventTriggered(event)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var buffer = unwrapInboundIn(data)
        // Queued batches keep their buffer: one that is mostly empty would make memory grow beyond what is accounted.
        if buffer.readableBytes * 2 < buffer.storageCapacity { buffer = ByteBuffer(buffer: buffer) }
        machine.heard()
        var parsed: [FrameParser.Element] = []
        swap(&parsed, &elements)
        var fault: ProtocolError?
        do throws(ProtocolError) {
            try parser.parse(buffer, into: &parsed)
        } catch {
            fault = error
        }
        for element in parsed { handle(element) }
        if let fault { run(.malformed(fault)) }
        parsed.removeAll(keepingCapacity: true)
        swap(&parsed, &elements)
    }

    func read(context: ChannelHandlerContext) {
        if machine.isReady, connection.isReadingPaused {
            readIsWithheld = true
        } else {
            context.read()
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if owesPong, context.channel.isWritable { sendPong(context) }
        context.fireChannelWritabilityChanged()
    }

    func triggerUserOutboundEvent(context: ChannelHandlerContext, event: Any, promise: EventLoopPromise<Void>?) {
        switch event as? Command {
        case .flush(let id):
            guard machine.isReady else {
                connection.completeFlush(id, with: .failure(NATSError.disconnected(server.description)))
                break
            }
            run(.flush(id: id))
        case .resumeReading:
            guard readIsWithheld, !connection.isReadingPaused else { break }
            readIsWithheld = false
            context.read()
        case nil:
            context.triggerUserOutboundEvent(event, promise: promise)
            return
        }
        promise?.succeed()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if failure == nil, !Self.isUncleanShutdown(error) {
            failure = NATSError(transport: error, server: server)
        }
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        end(nil)
        context.fireChannelInactive()
    }

    // MARK: To the machine

    private func handle(_ element: FrameParser.Element) {
        switch element {
        case .messages(let batch): connection.deliver(batch)
        case .ping: run(.ping)
        case .pong: run(.pong)
        case .ok: break
        case .error(let text): run(.serverError(text))
        case .info(let json):
            do {
                run(.info(try decoder.decode(ServerInfo.self, from: Data(json.readableBytesView))))
            } catch {
                run(.malformed(ProtocolError(.malformedFrame, cause: "the server's INFO is not valid JSON")))
            }
        }
    }

    private func end(_ reason: String?) {
        run(.closed(reason))
        ticks?.cancel()
        for timer in timers { timer.cancel() }
        timers = []
    }

    private func run(_ event: ConnectionMachine.Event) {
        for action in machine.event(event) { execute(action) }
    }

    private func execute(_ action: ConnectionMachine.Action) {
        guard let context else { return }
        switch action {
        case .startTLS: startTLS(context)
        case .authenticate(let nonce): authenticate(context, nonce: nonce)
        case .sendPing: send("PING\r\n", context)
        case .sendPong: sendPong(context)
        case .established(let info): established(context, info)
        case .infoChanged(let info): connection.infoChanged(info)
        case .lameDuck: if connection.lameDuck(server) { run(.flush(id: Self.leavingFlush)) }
        case .completeFlush(Self.leavingFlush): run(.leave)
        case .completeFlush(let id): connection.completeFlush(id, with: .success(()))
        case .report(let fault, let text): connection.report(fault, text: text, server: server)
        case .close: context.close(promise: nil)
        case .ended(let reason, _): ended(context, reason)
        }
    }

    private func send(_ text: StaticString, _ context: ChannelHandlerContext) {
        var buffer = context.channel.allocator.buffer(capacity: text.utf8CodeUnitCount)
        buffer.writeStaticString(text)
        context.writeAndFlush(wrapOutboundOut(buffer), promise: nil)
    }

    /// Answers a PING, or several at once where the server does not read: their answers are not to pile up.
    private func sendPong(_ context: ChannelHandlerContext) {
        owesPong = !context.channel.isWritable
        if !owesPong { send("PONG\r\n", context) }
    }

    private func startTLS(_ context: ChannelHandlerContext) {
        isEncrypted = true
        do {
            let handler = try tls.handler(for: server)
            try context.pipeline.syncOperations.addHandler(handler, position: .before(self))
        } catch {
            fail(error, context)
        }
    }

    private func authenticate(_ context: ChannelHandlerContext, nonce: String?) {
        do {
            let options = try connection.configuration.connectOptions(
                for: server,
                as: authentication,
                nonce: nonce,
                encrypted: isEncrypted
            )
            let json = try JSONEncoder().encode(options)
            var buffer = context.channel.allocator.buffer(capacity: json.count + 32)
            buffer.writeStaticString("CONNECT ")
            buffer.writeBytes(json)
            buffer.writeStaticString("\r\nPING\r\n")
            context.writeAndFlush(wrapOutboundOut(buffer), promise: nil)
        } catch {
            fail(error, context)
        }
    }

    private func established(_ context: ChannelHandlerContext, _ info: ServerInfo) {
        guard let lines = connection.established(context.channel, server: server, info: info) else {
            context.close(promise: nil)
            return
        }
        if lines.readableBytes > 0 { context.writeAndFlush(wrapOutboundOut(lines), promise: nil) }
        outcome.established.resolve(.success(()))
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        let interval = TimeAmount(connection.configuration.pingInterval)
        ticks = context.eventLoop.scheduleRepeatedTask(initialDelay: interval, delay: interval) { _ in
            let handler = bound.value
            handler.run(.tick(readingPaused: handler.connection.isReadingPaused))
        }
    }

    /// A server that goes away over TLS without saying goodbye is no TLS error.
    private static func isUncleanShutdown(_ error: any Error) -> Bool {
        if case NIOSSLError.uncleanShutdown = error { return true }
        return false
    }

    private func fail(_ error: any Error, _ context: ChannelHandlerContext) {
        failure = failure ?? NATSError(transport: error, server: server)
        context.close(promise: nil)
    }

    private func ended(_ context: ChannelHandlerContext, _ reason: ConnectionMachine.Failure) {
        var error = NATSError(reason, server: server)
        // What the transport said (TLS, say) is the reason behind a mere end.
        switch reason {
        case .closedByServer, .noInfo: error = failure ?? error
        default: break
        }
        connection.sessionEnded(context.channel, reason: error)
        outcome.established.resolve(.failure(error))
        outcome.ended.resolve(.success(error))
    }
}
