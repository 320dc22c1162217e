import NIOSSL

/// Why the HTTP face is not served with its settings, and which of them has to change.
struct HTTPFault: Error, Hashable {
    /// A setting of `daemon.http`.
    enum Setting: Hashable {
        case listen
        case token
        case certificate
        case key
    }

    var setting: Setting
    /// What is wrong.
    var text: String
    /// What to write, or to do, instead.
    var hint: String
}

extension DaemonError {
    fileprivate init(_ fault: HTTPFault) {
        self.init(.configuration, text: "daemon.http: \(fault.text)", hint: fault.hint)
    }
}

extension HTTPSettings {
    /// All that keeps the face from being served: what `accessRule()` and `tls()` would refuse.
    ///
    /// What is said to be there is not missed, even if nothing more is known of it.
    func faults(hasToken: Bool, hasTLS: Bool) -> [HTTPFault] {
        var faults = [tokenFault, reachFault(hasToken: hasToken, hasTLS: hasTLS)].compactMap { $0 }
        do throws(HTTPFault) {
            _ = try encryption()
        } catch {
            faults.append(error)
        }
        return faults
    }

    /// The way in that these settings allow: loopback as it is, everything else only with a token and TLS.
    func accessRule() throws(DaemonError) -> AccessRule {
        if (certificate == nil) != (key == nil) {
            throw DaemonError(
                .configuration,
                text: "daemon.http has a \(certificate == nil ? "key" : "certificate") only",
                hint: "TLS needs the certificate chain and its key, both as PEM files"
            )
        }
        if let fault = tokenFault ?? reachFault(hasToken: token != nil, hasTLS: certificate != nil) {
            throw DaemonError(fault)
        }
        return AccessRule(host: host, isSecure: certificate != nil, token: token.map { TokenGate($0) })
    }

    /// How connections are encrypted; nil if they are not.
    func tls() throws(DaemonError) -> TLSConfiguration? {
        do throws(HTTPFault) {
            return try encryption()
        } catch {
            throw DaemonError(error)
        }
    }

    private var tokenFault: HTTPFault? {
        guard let token, token.value.utf8.count < TokenGate.minimumLength else { return nil }
        return HTTPFault(
            setting: .token,
            text: "token is shorter than \(TokenGate.minimumLength) characters",
            hint: "take a random one, such as the output of: openssl rand -hex 32"
        )
    }

    private func reachFault(hasToken: Bool, hasTLS: Bool) -> HTTPFault? {
        guard !AccessRule.isLoopback(host), !hasToken || !hasTLS else { return nil }
        let missing = [hasToken ? nil : "token", hasTLS ? nil : "TLS"].compactMap { $0 }
        return HTTPFault(
            setting: .listen,
            text: "others can reach \(host), and there is no \(missing.joined(separator: " and no "))",
            hint: "listen on 127.0.0.1, or write http: { listen: HOST:PORT, token: file:PATH, "
                + "tls: { certificate: FILE, key: FILE } }"
        )
    }

    private func encryption() throws(HTTPFault) -> TLSConfiguration? {
        guard let certificate, let key else { return nil }
        let chain: [NIOSSLCertificate]
        do {
            chain = try NIOSSLCertificate.fromPEMFile(certificate)
        } catch {
            throw HTTPFault(
                setting: .certificate,
                text: "certificate: no certificate can be read from the file",
                hint: "name a PEM file that begins with the daemon's own certificate"
            )
        }
        let privateKey: NIOSSLPrivateKey
        do {
            privateKey = try NIOSSLPrivateKey(file: key, format: .pem)
        } catch {
            throw HTTPFault(
                setting: .key,
                text: "key: no private key can be read from the file",
                hint: "name a PEM file with a key that has no passphrase"
            )
        }
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) },
            privateKey: .privateKey(privateKey)
        )
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = ["http/1.1"]
        do {
            _ = try NIOSSLContext(configuration: configuration)
        } catch {
            throw HTTPFault(
                setting: .key,
                text: "key: it does not fit the certificate",
                hint: "name the key that the first certificate of the file was made for"
            )
        }
        return configuration
    }
}
