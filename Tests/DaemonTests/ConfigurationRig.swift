import Archive
import Foundation
import TestSupport

@testable import Daemon

/// A folder with configuration files and what they refer to.
final class ConfigurationRig {
    let folder: TemporaryDirectory

    init() throws {
        folder = try TemporaryDirectory("configuration")
        try write("secret", "hunter2\n")
        try write("empty", "\n")
        try write("archive.key", String(decoding: ArchiveKey.newKeyFile(), as: UTF8.self))
        try write("ca.pem", "-----BEGIN CERTIFICATE-----\n")
        try write("key.pem", "-----BEGIN PRIVATE KEY-----\n")
        try write("context/nats/context/east.json", #"{ "url": "nats://127.0.0.1:4222" }"#)
        try FileManager.default.createDirectory(atPath: file("folder.cistern"), withIntermediateDirectories: true)
    }

    func file(_ name: String) -> String { folder.file(name) }

    /// The variables that files refer to.
    var environment: [String: String] {
        [
            "XDG_CONFIG_HOME": file("context"), "HOME": folder.path, "EMPTY": "", "CRON": "every-day-hunter2",
            "TOKEN": "hunter2", "WEST": "west", "YES": "yes",
        ]
    }

    /// Writes a file that only its owner can read.
    func write(_ name: String, _ text: String, permissions: Int = 0o600) throws {
        let path = file(name)
        try FileManager.default.createDirectory(
            atPath: (path as NSString).deletingLastPathComponent,
            withIntermediateDirectories: true
        )
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        try FileManager.default.setAttributes([.posixPermissions: permissions], ofItemAtPath: path)
    }

    /// Reads a text as a configuration file.
    func load(_ text: String) throws -> ConfigurationFile {
        try write("cistern.yaml", text)
        return ConfigurationFile.load(path: file("cistern.yaml"), environment: environment)
    }

    /// A message without the names of this folder.
    func plain(_ mistake: ConfigurationMistake) -> String {
        "\(mistake)".replacing(file("cistern.yaml") + ":", with: "").replacing(folder.path, with: "DIR")
    }
}

/// Where the lines of a case stand in a file that is right otherwise.
enum ConfigurationFrame {
    /// They are the whole file.
    case file
    /// In a cluster, from line 3.
    case cluster
    /// In an archive, from line 3.
    case archive
    /// In a job with a backup, from line 9.
    case job
    /// In a job without work, from line 8.
    case work
    /// Under `daemon`, from line 8.
    case daemon

    private static let names = """
        clusters:
          east: { servers: [nats://127.0.0.1:4222] }
          west: { servers: [nats://127.0.0.1:4223] }
        archives:
          main: { path: main.cistern }

        """

    /// The whole file.
    func around(_ lines: String) -> String {
        let indented = lines.split(separator: "\n").map { $0.hasPrefix(" ") ? "\($0)\n" : "    \($0)\n" }.joined()
        switch self {
        case .file: return lines
        case .cluster: return "clusters:\n  north:\n\(indented)jobs: {}\n"
        case .archive: return "archives:\n  vault:\n\(indented)jobs: {}\n"
        case .job: return "\(Self.names)jobs:\n  j:\n    backup: { from: east, buckets: [a], to: main }\n\(indented)"
        case .work: return "\(Self.names)jobs:\n  j:\n\(indented)"
        case .daemon: return "\(Self.names)jobs: {}\ndaemon:\n\(indented)"
        }
    }
}
