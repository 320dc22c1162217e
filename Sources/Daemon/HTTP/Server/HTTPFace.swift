import Hummingbird
import HummingbirdCore
import HummingbirdTLS
public import Logging
import NIOCore
import NIOSSL
public import ServiceLifecycle

/// The daemon's face over HTTP: the status page, the API that the page and programs use, metrics and health checks.
///
/// It shows and does only what its `DaemonControl` says; `AccessRule` says who may ask, `FaceLimits` how much. It ends
/// within a second of a graceful shutdown, whoever is connected.
public struct HTTPFace: Service {
    private let host: String
    private let port: Int
    private let tls: TLSConfiguration?
    private let routes: FaceRoutes
    private let limits: FaceLimits
    private let logger: Logger

    /// A face for a daemon.
    ///
    /// Throws if the settings would let in whom they must not, or if the certificate is no good.
    public init(_ settings: HTTPSettings, control: any DaemonControl, logger: Logger) throws(DaemonError) {
        try self.init(settings, control: control, limits: FaceLimits(), logger: logger)
    }

    init(
        _ settings: HTTPSettings,
        control: any DaemonControl,
        limits: FaceLimits,
        logger: Logger
    ) throws(DaemonError) {
        let rule = try settings.accessRule()
        tls = try settings.tls()
        host = AccessRule.bare(settings.host)
        port = settings.port
        self.limits = limits
        self.logger = logger
        routes = FaceRoutes(
            control: control,
            rule: rule,
            cookie: "cistern_session_\(settings.port)",
            limits: limits,
            logger: logger
        )
    }

    /// Where the status page is.
    public var url: String {
        "\(tls == nil ? "http" : "https")://\(host.contains(":") ? "[\(host)]" : host):\(port)/"
    }

    /// Serves until a graceful shutdown or a cancellation.
    public func run() async throws {
        let application = Application(
            responder: routes.router().buildResponder(),
            server: server,
            configuration: ApplicationConfiguration(
                address: .hostname(host, port: port),
                availableConnectionsDelegate: .maximum(limits.connections, logger: logger)
            ),
            logger: logger
        )
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await application.run() }
                group.addTask {
                    try await gracefulShutdown()
                    // Connections have ended by then; what still computes an answer is cancelled.
                    try await Task.sleep(nanoseconds: UInt64(limits.stop.nanoseconds) * 3 / 2)
                }
                defer { group.cancelAll() }
                try await group.next()
            }
        } catch is CancellationError {
            return
        } catch {
            throw DaemonError(
                .http,
                text: "cannot serve \(url): \(error)",
                hint: "see whether another program listens there, or set daemon.http to another address"
            )
        }
    }

    private var server: HTTPServerBuilder {
        HTTPServerBuilder { [tls, limits] responder in
            let plain = HTTP1Channel(
                responder: responder,
                configuration: .init(
                    idleTimeout: limits.idle,
                    httpDecoderConfiguration: .init(
                        maxHeaderFieldSize: limits.head,
                        maxHeaderListSize: limits.head,
                        maxHeaderFieldCount: 100
                    )
                )
            )
            guard let tls else { return GuardedChannel(base: plain, limits: limits) }
            return GuardedChannel(base: try TLSChannel(plain, tlsConfiguration: tls), limits: limits)
        }
    }
}
