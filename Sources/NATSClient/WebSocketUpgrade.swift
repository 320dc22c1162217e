import Crypto
import Foundation
import NATSProtocol
import NIOCore
import NIOHTTP1
import NIOSOCKS

/// Makes a WebSocket of a connection: TLS if the address asks for it, one HTTP request, and then its own end.
///
/// When the server has agreed, it and HTTP leave the pipeline, and a ``WebSocketHandler`` takes its place. Whatever
/// else the server says is an error, which the handler behind it reports.
final class WebSocketUpgrade: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundOut = HTTPClientRequestPart

    private enum State {
        case waiting
        case asked
        case accepted
        case over
    }

    private let server: ServerAddress
    /// What to encrypt with, nil if the address asks for none.
    private let tls: TLSClient?
    private let proxied: Bool
    private let key = WebSocketUpgrade.randomKey()
    private var state = State.waiting
    private var http: [any RemovableChannelHandler] = []

    init(server: ServerAddress, tls: TLSClient?, proxied: Bool) {
        self.server = server
        self.tls = tls
        self.proxied = proxied
    }

    func channelActive(context: ChannelHandlerContext) {
        if !proxied { begin(context) }
        context.fireChannelActive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is SOCKSProxyEstablishedEvent { begin(context) }
        context.fireUserInboundEventTriggered(event)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch (unwrapInboundIn(data), state) {
        case (.head(let head), .asked):
            if let refusal = refusal(head) {
                state = .over
                context.fireErrorCaught(refusal)
            } else {
                state = .accepted
            }
        case (.end, .accepted):
            state = .over
            finish(context)
        default: break
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        state = .over
        guard error is HTTPParserError else {
            context.fireErrorCaught(error)
            return
        }
        context.fireErrorCaught(
            NATSError(
                .protocolViolation,
                cause: "what answers there does not speak WebSocket",
                hint: "Check the port: if it is the server's port for clients, use nats://."
            )
        )
    }

    private func begin(_ context: ChannelHandlerContext) {
        guard state == .waiting else { return }
        state = .asked
        let encoder = HTTPRequestEncoder()
        let decoder = ByteToMessageHandler(HTTPResponseDecoder(leftOverBytesStrategy: .forwardBytes))
        http = [encoder, decoder]
        do {
            let pipeline = context.pipeline.syncOperations
            if let tls {
                try pipeline.addHandler(tls.handler(for: server), position: .before(self))
            }
            try pipeline.addHandler(encoder, position: .before(self))
            try pipeline.addHandler(decoder, position: .before(self))
        } catch {
            context.fireErrorCaught(error)
            return
        }
        context.write(wrapOutboundOut(.head(request)), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }

    private var request: HTTPRequestHead {
        var head = HTTPRequestHead(version: .http1_1, method: .GET, uri: server.path.isEmpty ? "/" : server.path)
        head.headers.add(name: "Host", value: server.hostHeader)
        head.headers.add(name: "Upgrade", value: "websocket")
        head.headers.add(name: "Connection", value: "Upgrade")
        head.headers.add(name: "Sec-WebSocket-Key", value: key)
        head.headers.add(name: "Sec-WebSocket-Version", value: "13")
        return head
    }

    /// Why an answer is no agreement; nil if it is one.
    private func refusal(_ head: HTTPResponseHead) -> NATSError? {
        guard head.status == .switchingProtocols else {
            return NATSError(
                .unreachable,
                cause: "what answers there refuses a WebSocket: \(head.status.code) \(head.status.reasonPhrase)",
                hint: tls == nil
                    ? "Check port and path; a port that demands TLS is reached by wss://."
                    : "Check port and path, and that WebSocket is enabled there."
            )
        }
        let upgrade = head.headers[canonicalForm: "upgrade"].map { $0.lowercased() }
        let connection = head.headers[canonicalForm: "connection"].map { $0.lowercased() }
        guard upgrade == ["websocket"], connection.contains("upgrade"),
            head.headers["sec-websocket-accept"] == [Self.acceptance(of: key)],
            head.headers["sec-websocket-extensions"].isEmpty
        else {
            return NATSError(
                .protocolViolation,
                cause: "the answer to the request for a WebSocket is not one to this request",
                hint: "Something between here and the server may be changing requests: check proxies."
            )
        }
        return nil
    }

    /// Replaces HTTP; what came after the answer goes to the WebSocket.
    ///
    /// The parser of HTTP is at work at this moment, and takes all that is written for HTTP until it is gone: so long
    /// the WebSocket keeps still.
    private func finish(_ context: ChannelHandlerContext) {
        let pipeline = context.pipeline.syncOperations
        let handler = WebSocketHandler()
        do {
            try pipeline.addHandler(handler, position: .after(self))
        } catch {
            context.fireErrorCaught(error)
            return
        }
        // First this handler, which takes parts of HTTP only, then the decoder, which hands on what it has left.
        pipeline.removeHandler(context: context, promise: nil)
        let removals = http.map { pipeline.removeHandler($0) }
        http = []
        EventLoopFuture.andAllSucceed(removals, on: context.eventLoop).assumeIsolated().whenComplete { _ in
            handler.open()
        }
    }

    private static func randomKey() -> String {
        Data((0..<16).map { _ in UInt8.random(in: .min ... .max) }).base64EncodedString()
    }

    /// What a server answers to a key (RFC 6455, section 4.2.2).
    static func acceptance(of key: String) -> String {
        let text = key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        return Data(Insecure.SHA1.hash(data: Data(text.utf8))).base64EncodedString()
    }
}
