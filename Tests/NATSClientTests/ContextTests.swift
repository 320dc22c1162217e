import Foundation
import NATSProtocol
import NIOCore
import TestSupport
import Testing

@testable import NATSClient

/// Contexts as the `nats` command line writes them, field by field.
@Suite struct ContextTests {
    static let password = "pa:ss/w0rd"
    static let jwt = "eyJh.eyJi.c2ln"

    private static func base64(_ text: String) -> String { "data:;base64," + Data(text.utf8).base64EncodedString() }

    private static func creds(_ seed: String) -> String {
        """
        -----BEGIN NATS USER JWT-----
        \(jwt)
        ------END NATS USER JWT------
        -----BEGIN USER NKEY SEED-----
        \(seed)
        ------END USER NKEY SEED------
        """
    }

    /// Reads a context of these fields, in a folder with files for them, and with variables that lead to it.
    private static func read<Value>(
        _ fields: [String: Any],
        seed: String = NKey(.user).seedText,
        _ body: (NATSContext) throws -> Value
    ) throws -> Value {
        let folder = try TemporaryDirectory("context")
        defer { folder.remove() }
        try FileManager.default.createDirectory(atPath: folder.file("nats/context"), withIntermediateDirectories: true)
        let files = ["secret": "\(password)\n", "creds": creds(seed), "seed": seed, "jwt": jwt]
        for (name, text) in files {
            try text.write(toFile: folder.file(name), atomically: true, encoding: .utf8)
        }
        let data = try JSONSerialization.data(withJSONObject: fields)
        try data.write(to: URL(fileURLWithPath: folder.file("nats/context/c.json")))
        let environment = [
            "XDG_CONFIG_HOME": folder.path, "HOME": folder.path, "FILES": folder.path, "FILE": "no", "PW": password,
            "SEED": seed, "CREDS": creds(seed), "JWT": jwt, "EMPTY": "", "DOLLAR": "$FILES",
        ]
        return try body(try NATSContext(named: "c", environment: environment))
    }

    /// What CONNECT says of an identity, as `field=value`.
    private static func said(_ context: NATSContext) throws -> Set<String> {
        let configuration = context.configuration
        let options = try configuration.connectOptions(
            for: try #require(configuration.servers.first),
            as: try configuration.authentication.current(),
            nonce: "n",
            encrypted: false
        )
        let fields = [
            "user": options.user, "password": options.password, "token": options.token, "jwt": options.jwt,
            "nkey": options.nkey,
        ]
        return Set(fields.compactMap { name, value in value.map { "\(name)=\($0)" } })
    }

    static let userAndPassword: Set<String> = ["user=u", "password=\(password)"]

    @Test(
        arguments: [
            (["user": "u", "password": password], userAndPassword),
            (["user": "u", "password": "env://PW"], userAndPassword),
            (["user": "u", "password": "ENV://PW"], userAndPassword),
            (["user": "u", "password": "file://$FILES/secret"], userAndPassword),
            (["user": "u", "password": "file://~/secret"], userAndPassword),
            (["user": "u", "password": "data:;base64,cGE6c3MvdzByZAo="], userAndPassword),
            (["user": "u", "password": "data:text/plain;base64,eA=="], ["user=u", "password=x"]),
            (["user": "u"], ["user=u", "password="]),
            (["user": "u", "password": "vault://x"], ["user=u", "password=vault://x"]),
            (["token": "t"], ["token=t"]),
            (["token": "env://PW"], ["token=\(password)"]),
            (["user": "u", "password": "p", "token": "t"], ["user=u", "password=p", "token=t"]),
            (["user_jwt": jwt], ["jwt=\(jwt)"]),
            (["user_jwt": "env://JWT", "user_seed": "env://SEED"], ["jwt=\(jwt)"]),
            (
                ["user_jwt": "file://$FILES/jwt", "user_seed": "file://${FILES}/seed", "token": "t"],
                ["jwt=\(jwt)", "token=t"]
            ),
            (["creds": "$FILES/creds"], ["jwt=\(jwt)"]), (["creds": "~/creds"], ["jwt=\(jwt)"]),
            (["creds": "file://$FILES/creds"], ["jwt=\(jwt)"]), (["creds": "env://CREDS"], ["jwt=\(jwt)"]),
            (["creds": "env://CREDS", "token": "t"], ["jwt=\(jwt)", "token=t"]),
            // Of several identities the first in the order of the command line counts.
            (["user": "u", "password": "p", "creds": "/nowhere", "nkey": "/nowhere"], ["user=u", "password=p"]),
            (["creds": "$FILES/creds", "nkey": "/nowhere", "user_jwt": "x.y.z"], ["jwt=\(jwt)"]),
            ([:], []), (["user": "", "token": "", "creds": ""], []),
            (["url": "nats://a:b@h"], ["user=a", "password=b"]),
        ] as [([String: String], Set<String>)]
    )
    func whoWeAre(fields: [String: String], said: Set<String>) throws {
        try Self.read(fields) { context in
            let found = try Self.said(context)
            #expect(found == said)
            #expect(!"\(context.configuration.authentication)".contains(Self.password))
        }
    }

    @Test(arguments: ["$FILES/seed", "file://~/seed", "env://SEED", "data"]) func keys(reference: String) throws {
        let key = NKey(.user)
        let text = reference == "data" ? Self.base64(key.seedText) : reference
        try Self.read(["nkey": text], seed: key.seedText) { context in
            let found = try Self.said(context)
            #expect(found == ["nkey=\(key.publicText)"])
        }
        try Self.read(["creds": reference == "data" ? Self.base64(Self.creds(key.seedText)) : "env://CREDS"]) {
            context in
            let found = try Self.said(context)
            #expect(found == ["jwt=\(Self.jwt)"])
        }
    }

    @Test(
        arguments: [
            (["user": "u", "password": "op://vault/x"], "password", "op://"),
            (["token": "nsc://o/a/u"], "token", "nsc://"),
            (["creds": "op://vault/x"], "creds", "op://"), (["creds": "nsc://o/a/u"], "creds", "nsc://"),
            (["nkey": "OP://vault/x"], "nkey", "op://"), (["user_jwt": "op://v/x"], "user_jwt", "op://"),
            (["user_jwt": jwt, "user_seed": "op://v/x"], "user_seed", "op://"), (["nsc": "o/a/u"], "nsc", "nsc"),
            (["creds": "vault://x"], "creds", "vault:"), (["nkey": "https://x"], "nkey", "https:"),
            (["ca": "data:;base64,eA=="], "ca", "data:"), (["cert": "env://PW"], "cert", "env:"),
            (["key": "op://x"], "key", "op:"),
            (["user": "u", "password": "env://UNSET"], "password", "UNSET"),
            (["token": "env://EMPTY"], "token", "EMPTY"),
            (["creds": "env://UNSET"], "creds", "UNSET"), (["creds": "$UNSET/x"], "creds", "UNSET"),
            (["ca": "${UNSET}/x"], "ca", "UNSET"), (["token": "file:///nowhere/x"], "token", "/nowhere/x"),
            (["creds": "/nowhere/x"], "credentials", "/nowhere/x"), (["token": "data:eA=="], "token", "data:"),
            (["token": "data:,s3cret"], "token", "data:"), (["token": "data:;base64,?"], "token", "data:"),
            (["url": "ws://a,nats://b"], "WebSocket", "ws://"), (["url": "http://a"], "http", "nats://"),
        ] as [([String: String], String, String)]
    )
    func refusesByName(fields: [String: String], field: String, names: String) throws {
        #expect {
            try Self.read(fields) { _ in }
        } throws: { error in
            let error = error as? NATSError
            let text = "\(error.map { "\($0)" } ?? "")"
            return error?.code == .invalidConfiguration && text.contains(field) && text.contains(names)
                && !text.contains("s3cret")
        }
    }

    @Test func paths() throws {
        let fields = ["ca": "$FILES/ca.pem", "cert": "file://~/c.pem", "key": "${FILES}x/$"]
        try Self.read(fields) { context in
            let tls = context.configuration.tls
            let folder = try #require(tls.certificateAuthorityFile?.replacing("/ca.pem", with: ""))
            #expect(folder.hasPrefix("/") && !folder.contains("$"))
            #expect(tls.certificateFile == folder + "/c.pem" && tls.keyFile == folder + "x/$")
        }
        // What a variable holds is not read again.
        try Self.read(["ca": "$DOLLAR/ca.pem"]) {
            #expect($0.configuration.tls.certificateAuthorityFile == "$FILES/ca.pem")
        }
    }

    @Test(
        arguments: [
            ([:], .automatic), (["ca": "/ca.pem"], .required), (["cert": "/c.pem", "key": "/k.pem"], .required),
            (["tls_first": true, "ca": "/ca.pem"], .first), (["tls_first": true], .first),
            (["tls_first": false], .automatic),
            (["key": "/k.pem"], .automatic),
        ] as [([String: any Sendable], TLSOptions.Mode)]
    )
    func whatImpliesTLS(fields: [String: any Sendable], mode: TLSOptions.Mode) throws {
        try Self.read(fields) { #expect($0.configuration.tls.mode == mode) }
    }

    @Test func whatElseThereIs() throws {
        let fields: [String: Any] = [
            "url": "wss://a/x, ws://[::1]:9", "socks_proxy": "[::1]:1080", "jetstream_domain": "hub",
            "jetstream_api_prefix": "P", "jetstream_event_prefix": "$JS.E", "inbox_prefix": "_I", "color_scheme": "red",
            "windows_cert_store": "machine", "windows_cert_match_by": "subject", "windows_cert_match": "x",
            "windows_ca_certs_match": ["y"], "description": "d", "nsc": "", "unknown": ["z": 1],
        ]
        try Self.read(fields) { context in
            #expect(context.configuration.servers.map { "\($0)" } == ["wss://a:443/x", "ws://[::1]:9"])
            #expect(context.configuration.socksProxy == "[::1]:1080")
            #expect(context.jetStreamDomain == "hub" && context.jetStreamAPIPrefix == "P" && context.about == "d")
            #expect(context.configuration.inboxPrefix == "_I")
        }
        try Self.read(["description": "d"]) {
            #expect($0.configuration.servers.map { "\($0)" } == ["nats://127.0.0.1:4222"])
        }
    }

    /// A file of credentials that is replaced counts from the next connection on.
    @Test func readsAFileAgainForEachConnection() async throws {
        let keys = [NKey(.user), NKey(.user)]
        let users = keys.map { "{ nkey: \"\($0.publicText)\" }" }.joined(separator: ", ")
        let server = try await ServerProcess.start(
            options: .init(configuration: "authorization { users: [ \(users) ] }", jetStream: false)
        )
        defer { server.close() }
        let path = server.directory.file("user.nk")
        try keys[0].seedText.write(toFile: path, atomically: true, encoding: .utf8)
        try await withConnection(to: server.url) {
            $0.authentication = try .nkeyFile(path)
            $0.reconnect = ReconnectPolicy(wait: .milliseconds(20), maximumWait: .milliseconds(100))
        } _: { nats in
            func user() async throws -> String {
                String(buffer: try await nats.request("$SYS.REQ.USER.INFO", timeout: .seconds(20)).payload)
            }
            #expect(try await user().contains(keys[0].publicText))
            // Between two connections there may be no file for a moment.
            try FileManager.default.removeItem(atPath: path)
            let events = nats.events()
            try await server.restart()
            for await event in events {
                guard case .connectFailed(_, let reason) = event, reason.contains("nkey file") else { continue }
                break
            }
            try keys[1].seedText.write(toFile: path, atomically: true, encoding: .utf8)
            try await nats.waitUntilConnected(timeout: .seconds(20))
            #expect(try await user().contains(keys[1].publicText))
        }
    }
}
