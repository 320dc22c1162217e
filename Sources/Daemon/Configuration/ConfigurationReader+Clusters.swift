import Foundation
import KVModel
import NATSClient

extension ConfigurationReader {
    private static let clusterExample = "write for example east: { context: east }"
    private static let clusterKeys = [
        "context", "servers", "user", "password", "token", "credentials", "nkey", "tls", "domain", "api-prefix",
        "inbox-prefix", "socks-proxy", "timeout", "concurrency", "rate",
    ]

    /// The clusters by name.
    func clusters(_ entries: [ConfigurationValue]) -> [String: ClusterSettings] {
        var result: [String: ClusterSettings] = [:]
        for entry in entries where isName(entry, of: "cluster") { result[entry.name] = cluster(entry) }
        return result
    }

    /// Whether a name that somebody chose can be used where it is needed: in paths, keys and metrics.
    func isName(_ entry: ConfigurationValue, of kind: String) -> Bool {
        let isLegal = entry.name.utf8.enumerated().allSatisfy { index, byte in
            switch byte {
            case 48...57, 65...90, 97...122, 95: true
            case 45, 46: index > 0
            default: false
            }
        }
        if isLegal, !entry.name.isEmpty, entry.name.utf8.count <= 100, entry.name.utf8.last != 46 { return true }
        mistake(
            entry.keyPlace,
            "\"\(Self.shortened(entry.name))\" cannot name \(Self.article(kind))",
            "write letters, digits, -, _ and dots between them, at most 100"
        )
        return false
    }

    private static func article(_ noun: String) -> String {
        noun.hasPrefix("a") ? "an \(noun)" : "a \(noun)"
    }

    private func cluster(_ value: ConfigurationValue) -> ClusterSettings? {
        let title = "cluster \(value.name)"
        guard let section = section(value, title, keys: Self.clusterKeys, example: Self.clusterExample) else {
            return nil
        }
        var settings = ClusterSettings()
        if !section.mayHave("context"), !section.mayHave("servers") {
            mistake(
                section.place,
                "\(title) has neither context nor servers",
                "write for example servers: [nats://HOST:4222]"
            )
        }
        settings.context = section["context"].flatMap(context)
        settings.servers = section["servers"].map(servers) ?? []
        identity(section, &settings)
        settings.tls = section["tls"].flatMap { tls($0, title) } ?? ClusterSettings.TLS()
        if let both = section["api-prefix"], section["domain"] != nil {
            mistake(
                both.keyPlace,
                "\(title) has both domain and api-prefix",
                "write one of them: a domain is a short way of naming a prefix"
            )
        }
        settings.domain = section["domain"].flatMap { subject($0, example: "hub", isToken: true) }
        settings.apiPrefix = section["api-prefix"].flatMap { subject($0, example: "$JS.hub.API", isToken: false) }
        settings.inboxPrefix = section["inbox-prefix"].flatMap {
            subject($0, example: "_INBOX.cistern", isToken: false)
        }
        settings.socksProxy = section["socks-proxy"].flatMap(proxy)
        settings.timeout = section["timeout"].flatMap {
            duration($0, in: 100_000_000...600_000_000_000, example: "5s")
        }
        settings.concurrency = section["concurrency"].flatMap { number($0, in: 1...1000, example: 2) }
        settings.bytesPerSecond = section["rate"].flatMap(rate)
        return settings
    }

    private func context(_ value: ConfigurationValue) -> String? {
        guard let scalar = scalar(value, example: "context: east") else { return nil }
        do {
            _ = try NATSContext(named: scalar.text, environment: environment)
            return scalar.text
        } catch let error as NATSError {
            let known = knownContexts()
            if !known.contains(scalar.text), !scalar.text.contains("/") {
                mistake(
                    value.place,
                    "there is no context \"\(scalar.shown)\" of the nats CLI",
                    Self.suggestion(
                        scalar.shown,
                        known,
                        otherwise: known.isEmpty
                            ? "make it with `nats context add`, or write servers:"
                            : "the contexts are \(known.joined(separator: ", "))"
                    )
                )
            } else {
                mistake(value.place, "context \"\(scalar.shown)\": \(error.cause)", error.hint ?? "correct the context")
            }
        } catch {
            mistake(value.place, "context \"\(scalar.shown)\" cannot be read", "look at it with `nats context show`")
        }
        return nil
    }

    private func knownContexts() -> [String] {
        let configured = environment["XDG_CONFIG_HOME"].flatMap { $0.isEmpty ? nil : $0 }
        let home = environment["HOME"] ?? NSHomeDirectory()
        let folder = (configured ?? "\(home)/.config") + "/nats/context"
        // Nobody must have contexts.
        let files = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return files.filter { $0.hasSuffix(".json") }.map { String($0.dropLast(5)) }.sorted()
    }

    private func servers(_ value: ConfigurationValue) -> [String] {
        list(value, example: "servers: [nats://HOST:4222]").compactMap { entry -> String? in
            guard let scalar = scalar(entry, example: "servers: [nats://HOST:4222]") else { return nil }
            // An address may have a password in it, even one that is no address: it is not shown.
            guard !scalar.text.contains("@") else {
                mistake(
                    entry.place,
                    "an address of servers has credentials in it",
                    "write nats://HOST:4222, and user: and password: beside servers"
                )
                return nil
            }
            do {
                _ = try ConnectionConfiguration(scalar.text)
                return scalar.text
            } catch {
                mistake(
                    entry.place,
                    "an entry of servers is no server's address",
                    "write nats://HOST:4222 or tls://HOST:4222"
                )
                return nil
            }
        }
    }

    private func identity(_ section: ConfigurationSection, _ settings: inout ClusterSettings) {
        let ways = section.present(["user", "token", "credentials", "nkey"])
        if ways.count > 1, let second = section[ways[1]] {
            mistake(
                second.keyPlace,
                "\(section.title) has several identities, \(ways.joined(separator: " and "))",
                "leave one"
            )
        }
        if let password = section["password"], !section.mayHave("user") {
            mistake(password.keyPlace, "\(section.title) has a password and no user", "add user:")
        }
        if let user = section["user"], !section.mayHave("password") {
            mistake(user.keyPlace, "\(section.title) has a user and no password", "add password:, or write token:")
        }
        settings.user = section["user"].flatMap { text($0, example: "user: cistern") }
        settings.password = section["password"].flatMap(secret)
        settings.token = section["token"].flatMap(secret)
        settings.credentials = section["credentials"].flatMap { value in
            readPath(value, example: "/etc/cistern/cistern.creds", isSecret: true) { _, path in
                do {
                    _ = try Authentication.credentialsFile(path)
                    return nil
                } catch {
                    return ("is no credentials file", "make one with `nsc generate creds`")
                }
            }
        }
        settings.nkey = section["nkey"].flatMap { value in
            readPath(value, example: "/etc/cistern/cistern.nk", isSecret: true) { _, path in
                do {
                    _ = try Authentication.nkeyFile(path)
                    return nil
                } catch {
                    return ("holds no seed of an nkey", "name a file with a line that begins with SU")
                }
            }
        }
    }

    private func tls(_ value: ConfigurationValue, _ title: String) -> ClusterSettings.TLS? {
        let example = "write for example tls: { ca: /etc/cistern/ca.pem }"
        let keys = ["ca", "certificate", "key", "first"]
        guard let section = section(value, "tls of \(title)", keys: keys, example: example) else { return nil }
        var tls = ClusterSettings.TLS()
        tls.ca = section["ca"].flatMap { certificatePath($0) }
        tls.certificate = section["certificate"].flatMap { certificatePath($0) }
        tls.key = section["key"].flatMap { certificatePath($0, isSecret: true) }
        tls.first = section["first"].flatMap(flag) ?? false
        pair("certificate", "key", of: section)
        return tls
    }

    /// Notes which of two keys is missing, if only one is there.
    func pair(_ first: String, _ second: String, of section: ConfigurationSection) {
        for (there, missing) in [(first, second), (second, first)] where !section.mayHave(missing) {
            guard let value = section[there] else { continue }
            mistake(value.keyPlace, "\(section.title) has a \(there) and no \(missing)", "add \(missing):")
        }
    }

    private func subject(_ value: ConfigurationValue, example: String, isToken: Bool) -> String? {
        guard let scalar = scalar(value, example: "\(value.name): \(example)") else { return nil }
        do {
            // What may stand in a subject may stand in a key.
            if try KeyPattern(scalar.text).isLiteral, !isToken || !scalar.text.contains(".") { return scalar.text }
        } catch {
            // Said below.
        }
        mistake(
            value.place,
            "\(value.name): \"\(scalar.shown)\" cannot be part of a subject",
            "write for example \(value.name): \(example)"
        )
        return nil
    }

    private func proxy(_ value: ConfigurationValue) -> String? {
        guard let scalar = scalar(value, example: "socks-proxy: socks5://HOST:1080") else { return nil }
        let schemes = ["socks5://", "socks5h://", "socks://"]
        let bare = schemes.first { scalar.text.hasPrefix($0) }.map { String(scalar.text.dropFirst($0.count)) }
        do {
            let address = bare ?? scalar.text
            guard !address.contains("@"), !address.contains("/") else { throw DaemonError(.configuration, text: "") }
            _ = try ConnectionConfiguration(address)
            return scalar.text
        } catch {
            mistake(value.place, "socks-proxy is no address without credentials", "write socks5://HOST:1080")
            return nil
        }
    }
}

extension ConfigurationReader {
    /// The archives by name.
    func archives(_ entries: [ConfigurationValue]) -> [String: ArchiveSettings] {
        var result: [String: ArchiveSettings] = [:]
        for entry in entries where isName(entry, of: "archive") {
            guard let archive = archive(entry) else { continue }
            if let other = result.first(where: { $0.value.path == archive.path }) {
                mistake(
                    entry.keyPlace,
                    "archive \(entry.name) is the same file as archive \(other.key)",
                    "give it another path, or use one name"
                )
            }
            result[entry.name] = archive
        }
        return result
    }

    private func archive(_ value: ConfigurationValue) -> ArchiveSettings? {
        let title = "archive \(value.name)"
        let example = "write for example main: { path: main.cistern }"
        guard let section = section(value, title, keys: ["path", "key", "passphrase"], example: example) else {
            return nil
        }
        let keyFile = section["key"].flatMap(archiveKeyPath)
        let passphrase = section["passphrase"].flatMap(secret)
        if let both = section["passphrase"], section["key"] != nil {
            mistake(both.keyPlace, "\(title) has both key and passphrase", "leave one of the two")
        }
        guard let value = required("path", of: section, example: "path: main.cistern"),
            let (path, shown) = writtenPath(value, example: "main.cistern")
        else { return nil }
        guard path.hasSuffix(".cistern") else {
            mistake(value.place, "path: \(shown) does not end in .cistern", "write for example path: main.cistern")
            return nil
        }
        var settings = ArchiveSettings(path: path)
        settings.keyFile = keyFile
        settings.passphrase = passphrase
        return settings
    }
}
