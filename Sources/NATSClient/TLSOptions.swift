import NIOSSL

/// How a connection is encrypted.
public struct TLSOptions: Sendable, Equatable {
    /// When.
    public enum Mode: Sendable, Equatable {
        /// If the server demands it or an address is `tls://` or `wss://`.
        case automatic
        /// Always; `ws://` is then as `wss://`.
        case required
        /// Always, before the server's first word: for servers with `handshake_first`. A WebSocket's always is.
        case first
    }

    /// When to encrypt.
    public var mode: Mode

    /// A PEM file of the authorities to trust instead of the system's.
    public var certificateAuthorityFile: String?

    /// A PEM file of the certificate that shows who we are, and its chain.
    public var certificateFile: String?

    /// A PEM file of the certificate's key.
    public var keyFile: String?

    /// Trusts anybody: for experiments only.
    public var disablesVerification: Bool

    /// Makes options; the defaults trust the system's authorities and verify the host's name.
    public init(
        mode: Mode = .automatic,
        certificateAuthorityFile: String? = nil,
        certificateFile: String? = nil,
        keyFile: String? = nil,
        disablesVerification: Bool = false
    ) {
        self.mode = mode
        self.certificateAuthorityFile = certificateAuthorityFile
        self.certificateFile = certificateFile
        self.keyFile = keyFile
        self.disablesVerification = disablesVerification
    }

    /// Whether there are files to load.
    var namesFiles: Bool { certificateAuthorityFile != nil || certificateFile != nil || keyFile != nil }

    /// Loads the files.
    func context() throws -> NIOSSLContext {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        if let certificateAuthorityFile {
            let authorities = try Self.load("CA file", certificateAuthorityFile) {
                try NIOSSLCertificate.fromPEMFile(certificateAuthorityFile)
            }
            configuration.trustRoots = .certificates(authorities)
        }
        if let certificateFile {
            guard let keyFile else {
                throw NATSError(.invalidConfiguration, cause: "a client certificate is given without its key")
            }
            let chain = try Self.load("client certificate", certificateFile) {
                try NIOSSLCertificate.fromPEMFile(certificateFile)
            }
            configuration.certificateChain = chain.map { .certificate($0) }
            configuration.privateKey = .privateKey(
                try Self.load("client key", keyFile) { try NIOSSLPrivateKey(file: keyFile, format: .pem) }
            )
        } else if keyFile != nil {
            throw NATSError(.invalidConfiguration, cause: "a client key is given without its certificate")
        }
        if disablesVerification { configuration.certificateVerification = .none }
        return try Self.load("TLS configuration", "given") { try NIOSSLContext(configuration: configuration) }
    }

    private static func load<Value>(_ what: String, _ path: String, _ body: () throws -> Value) throws -> Value {
        do {
            return try body()
        } catch {
            throw NATSError(
                .invalidConfiguration,
                cause: "the \(what) \(path) cannot be used: \(error)",
                hint: "It must be a readable PEM file."
            )
        }
    }
}
