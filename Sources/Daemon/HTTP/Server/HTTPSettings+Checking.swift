import Foundation
import NIOSSL

extension HTTPSettings {
    /// The way in that these settings allow: loopback as it is, everything else only with a token and TLS.
    func accessRule() throws(DaemonError) -> AccessRule {
        if let token, token.value.utf8.count < TokenGate.minimumLength {
            throw DaemonError(
                .configuration,
                text: "the token of daemon.http is shorter than \(TokenGate.minimumLength) characters",
                hint: "take a random one, such as the output of: openssl rand -hex 32"
            )
        }
        if (certificate == nil) != (key == nil) {
            throw DaemonError(
                .configuration,
                text: "daemon.http has a \(certificate == nil ? "key" : "certificate") only",
                hint: "TLS needs the certificate chain and its key, both as PEM files"
            )
        }
        if !AccessRule.isLoopback(host), token == nil || certificate == nil {
            let lacks = [token == nil ? "a token" : nil, certificate == nil ? "TLS" : nil].compactMap { $0 }
            throw DaemonError(
                .configuration,
                text: "daemon.http at \(host) can be reached from elsewhere, and has no "
                    + lacks.map { $0.replacing("a ", with: "") }.joined(separator: " and no "),
                hint: "give it \(lacks.joined(separator: " and ")), or bind it to 127.0.0.1"
            )
        }
        return AccessRule(host: host, isSecure: certificate != nil, token: token.map { TokenGate($0) })
    }

    /// How connections are encrypted; nil if they are not.
    func tls() throws(DaemonError) -> TLSConfiguration? {
        guard let certificate, let key else { return nil }
        do {
            let chain = try NIOSSLCertificate.fromPEMFile(certificate)
            let key = try NIOSSLPrivateKey(file: key, format: .pem)
            var configuration = TLSConfiguration.makeServerConfiguration(
                certificateChain: chain.map { .certificate($0) },
                privateKey: .privateKey(key)
            )
            configuration.minimumTLSVersion = .tlsv12
            configuration.applicationProtocols = ["http/1.1"]
            _ = try NIOSSLContext(configuration: configuration)
            return configuration
        } catch {
            throw DaemonError(
                .configuration,
                text: "the certificate \(certificate) and its key cannot be used: \(error)",
                hint: "daemon.http needs PEM files that belong together and that this user may read"
            )
        }
    }
}
