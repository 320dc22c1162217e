import Foundation
import KVModel

extension ConfigurationReader {
    private static let daemonKeys = ["http", "state", "leases", "concurrency", "stop-within"]

    /// What the daemon itself is told; without a value the defaults.
    func daemon(_ value: ConfigurationValue?) -> DaemonSettings {
        var settings = DaemonSettings()
        settings.state = path(settings.state)
        guard let value,
            let section = section(
                value,
                "daemon",
                keys: Self.daemonKeys,
                example: "write for example daemon: { http: 127.0.0.1:8422 }"
            )
        else { return settings }
        if let http = section["http"] { settings.http = self.http(http) }
        if let state = section["state"], let (path, _) = writtenPath(state, example: "state.db") {
            settings.state = path
        }
        settings.leases = section["leases"].flatMap(leases)
        if let count = section["concurrency"].flatMap({ number($0, in: 1...1000, example: 4) }) {
            settings.concurrency = count
        }
        if let wait = section["stop-within"].flatMap({ duration($0, in: 0...3_600_000_000_000, example: "10s") }) {
            settings.stopWithin = wait
        }
        return settings
    }

    private func leases(_ value: ConfigurationValue) -> LeaseSettings? {
        let cluster = clusterNames.first ?? "CLUSTER"
        let example = "write for example leases: { cluster: \(cluster) }"
        guard let section = section(value, "leases", keys: ["cluster", "bucket", "duration"], example: example) else {
            return nil
        }
        let bucket = section["bucket"].flatMap { self.bucketName($0, example: "bucket: cistern-leases") }
        let duration = section["duration"].flatMap {
            self.duration($0, in: 2_000_000_000...3_600_000_000_000, example: "15s")
        }
        guard let value = required("cluster", of: section, example: "cluster: \(cluster)"),
            let name = reference(value, to: "cluster", clusterNames)
        else { return nil }
        var settings = LeaseSettings(cluster: name)
        if let bucket { settings.bucket = bucket.rawValue }
        if let duration { settings.duration = duration }
        return settings
    }

    private func http(_ value: ConfigurationValue) -> HTTPSettings? {
        let example = "http: 127.0.0.1:8422"
        var settings = HTTPSettings()
        guard value.isMapping else {
            guard let scalar = scalar(value, example: example), scalar.text != "off",
                let address = self.address(scalar, of: value)
            else { return nil }
            (settings.host, settings.port) = address
            for fault in settings.faults(hasToken: false, hasTLS: false) {
                mistake(value.place, fault.text, fault.hint)
            }
            return settings
        }
        guard let section = section(value, "http", keys: ["listen", "token", "tls"], example: "write \(example)") else {
            return nil
        }
        settings.token = section["token"].flatMap(secret)
        let tls = section["tls"].flatMap {
            self.section(
                $0,
                "tls of http",
                keys: ["certificate", "key"],
                example: "write tls: { certificate: FILE, key: FILE }"
            )
        }
        settings.certificate = tls?["certificate"].flatMap { certificatePath($0) }
        settings.key = tls?["key"].flatMap { certificatePath($0, isSecret: true) }
        if let tls {
            pair("certificate", "key", of: tls)
            if !tls.mayHave("certificate"), !tls.mayHave("key") {
                mistake(tls.place, "tls of http has no certificate", "write tls: { certificate: FILE, key: FILE }")
            }
        }
        let listen = required("listen", of: section, example: "listen: 127.0.0.1:8422")
        let written = listen.flatMap { value in
            scalar(value, example: "listen: 127.0.0.1:8422").flatMap { address($0, of: value) }
        }
        // Without an address the rest is looked at as if it were this machine's alone.
        if let written { (settings.host, settings.port) = written }
        for fault in settings.faults(hasToken: section.mayHave("token"), hasTLS: section.mayHave("tls")) {
            let wrong: ConfigurationValue? =
                switch fault.setting {
                case .listen: listen
                case .token: section["token"]
                case .certificate: tls?["certificate"]
                case .key: tls?["key"]
                }
            mistake(wrong?.place ?? section.place, fault.text, fault.hint)
        }
        return written == nil ? nil : settings
    }

    private func address(_ scalar: Scalar, of value: ConfigurationValue) -> (host: String, port: Int)? {
        if let colon = scalar.text.lastIndex(of: ":") {
            var host = scalar.text[..<colon]
            let isBracketed = host.hasPrefix("[") && host.hasSuffix("]")
            if isBracketed { host = host.dropFirst().dropLast() }
            let isHost =
                !host.isEmpty && host.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || ":.-".contains($0)) }
            if isHost, isBracketed || !host.contains(":"),
                let port = UInt16(scalar.text[scalar.text.index(after: colon)...])
            {
                return (String(host), Int(port))
            }
        }
        let off = value.name == "http" ? ", or http: off" : ""
        mistake(
            value.place,
            "\(value.name): \"\(scalar.shown)\" is not HOST:PORT",
            "write for example \(value.name): 127.0.0.1:8422\(off)"
        )
        return nil
    }
}
