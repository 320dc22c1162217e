import ArgumentParser
import Daemon
import Foundation

/// Which configuration file a command works by.
struct ConfigurationOptions: ParsableArguments, Sendable {
    /// Where the file is looked for if nobody names it.
    private static let usual = ["cistern.yaml", "/etc/cistern/cistern.yaml"]

    @Option(
        name: .customLong("config"),
        help: ArgumentHelp(
            "The configuration file (default: CISTERN_CONFIG, ./cistern.yaml, /etc/cistern/cistern.yaml).",
            valueName: "file"
        ),
        completion: .file(extensions: ["yaml", "yml"])
    )
    var file: String?

    /// The file's path.
    func path(_ environment: [String: String]) throws -> String {
        if let named = file ?? environment["CISTERN_CONFIG"].flatMap({ $0.isEmpty ? nil : $0 }) { return named }
        if let found = Self.usual.first(where: { FileManager.default.fileExists(atPath: $0) }) { return found }
        throw CommandError(
            .usage,
            text: "there is no configuration file: neither \(Self.usual.joined(separator: " nor "))",
            hint: "name it with --config or CISTERN_CONFIG"
        )
    }

    /// What the file says; its warnings are shown, and mistakes thrown.
    func load(_ console: Console) throws -> DaemonConfiguration {
        let loaded = ConfigurationFile.load(path: try path(console.environment), environment: console.environment)
        for warning in loaded.warnings { console.warn("\(warning)".escapedForTerminal) }
        return try loaded.checked()
    }

    /// The way to the daemon that serves the file.
    func http(_ configuration: DaemonConfiguration) throws -> HTTPSettings {
        guard let http = configuration.daemon.http else {
            throw CommandError(
                .usage,
                text: "the daemon of \(configuration.path) cannot be asked: daemon.http is off",
                hint: "give it an address, such as http: 127.0.0.1:8422"
            )
        }
        return http
    }
}
