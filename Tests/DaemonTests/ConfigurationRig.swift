import Archive
import Foundation
import TestSupport

@testable import Daemon

/// A folder with configuration files and what they refer to.
final class ConfigurationRig: Sendable {
    let folder: TemporaryDirectory

    init() throws {
        folder = try TemporaryDirectory("configuration")
        try write("secret", "hunter2\n")
        try write("empty", "\n")
        try write("archive.key", String(decoding: ArchiveKey.newKeyFile(), as: UTF8.self))
        try write("http.token", Self.token + "\n")
        try write("ca.pem", Self.certificate)
        try write("key.pem", Self.key)
        try write("other-key.pem", Self.otherKey)
        try write("hollow.pem", "-----BEGIN CERTIFICATE-----\n")
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

extension ConfigurationRig {
    /// A token that is long enough.
    static let token = "0123456789abcdef-hunter2"

    /// A certificate for localhost that signs itself; it and the keys protect nothing anywhere.
    private static let certificate = """
        -----BEGIN CERTIFICATE-----
        MIIBfjCCASWgAwIBAgIUR0JOFzG5LFR4xRadbP5yBnSTSIQwCgYIKoZIzj0EAwIw
        FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMjEzMzUxN1oYDzIxMjYxMDI5
        MTMzNTE3WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
        PQMBBwNCAAQbkV1kg0bnXqQhgGu71YUknqrMapV4oyu/E2/+eUOmKFTzWnAzVCnW
        s/q8C3s7enxVKKecjHwgmIqyqINktcNho1MwUTAdBgNVHQ4EFgQU0vaU8S9R87dh
        EgDVg3vviuLbDkwwHwYDVR0jBBgwFoAU0vaU8S9R87dhEgDVg3vviuLbDkwwDwYD
        VR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNHADBEAiAGFXAmNgsXo/ZOhojQX6T8
        PpL4ZMVCuiDH5l0Kp/9lUAIgIH3MTdKFhoXnxUFmkJlp0RufSoWN8mnIIQSj1pX8
        VBA=
        -----END CERTIFICATE-----

        """

    /// Its key.
    private static let key = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgV+QghT1RMvg2wyK8
        vvXF0j15Hgs3+3fG9JQc7AqjTXuhRANCAAQbkV1kg0bnXqQhgGu71YUknqrMapV4
        oyu/E2/+eUOmKFTzWnAzVCnWs/q8C3s7enxVKKecjHwgmIqyqINktcNh
        -----END PRIVATE KEY-----

        """

    /// The key of another one.
    private static let otherKey = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgqKBiA9GQbMCAh7iC
        +s0wqfusPGgbIAQSEy6ViaMa+wKhRANCAAQJYdTXhmMrYnEAxJ6vwxB5R3aWucd3
        IqY8P42tmpRkLlnKlXLQiaJZ0CSGQibs7VGN3XPg5jTIbf2tYzEEmfEO
        -----END PRIVATE KEY-----

        """
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
