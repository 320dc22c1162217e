import NIOCore
import NIOSSL

/// The one certificate that a daemon of a configuration shows: the first of the file that it serves with.
///
/// It is compared byte for byte instead of being followed to an authority. So it makes no difference whether it is
/// self-signed or somebody issued it, whose name it bears, and whom the machine trusts otherwise; that whoever shows it
/// has its key as well is proven by the handshake.
struct CertificatePin: Sendable {
    private let bytes: [UInt8]

    /// The first certificate of a file in PEM.
    init(file: String) throws(DaemonError) {
        do {
            guard let leaf = try NIOSSLCertificate.fromPEMFile(file).first else {
                throw NIOSSLError.failedToLoadCertificate
            }
            bytes = try leaf.toDERBytes()
        } catch {
            throw DaemonError(
                .configuration,
                text: "the certificate \(file) of daemon.http cannot be read",
                hint: "the daemon is asked by the certificate that it shows: let this user read the file"
            )
        }
    }

    /// Ends a connection, whose handshake is over, if its other end shows another certificate.
    func check(_ channel: any Channel, of address: String) -> EventLoopFuture<Void> {
        channel.eventLoop.flatSubmit { [bytes] in
            do {
                let pipeline = channel.pipeline.syncOperations
                if try pipeline.nioSSL_peerCertificate()?.toDERBytes() == bytes {
                    return channel.eventLoop.makeSucceededVoidFuture()
                }
                // From below the handler of TLS: nobody here waits for the other end's farewell.
                try pipeline.context(handlerType: NIOSSLHandler.self).close(promise: nil)
                // The client that began the connection must have seen its end before it is told that it failed.
                return channel.closeFuture.flatMapThrowing { throw Self.mismatch(at: address) }
            } catch {
                return channel.eventLoop.makeFailedFuture(error)
            }
        }
    }

    private static func mismatch(at address: String) -> DaemonError {
        DaemonError(
            .http,
            text: "\(address) shows another certificate than that of daemon.http",
            hint: "see what listens there; a daemon shows a renewed certificate once it was started again"
        )
    }
}
