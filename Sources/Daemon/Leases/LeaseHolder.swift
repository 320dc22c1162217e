import Foundation
import KVModel

/// A daemon that takes part in the leases, as it says itself.
public struct LeaseHolder: Sendable, Hashable, Codable {
    /// Its name in the configuration.
    public var daemon: String
    /// The machine it runs on.
    public var host: String
    /// Its process there.
    public var pid: Int32
    /// When it took what this stands in, RFC 3339.
    public var since: String
    /// The jobs that it would run, where it says that it is there; nil in leases.
    var jobs: [String]?
    /// Drawn at its start: tells two daemons of one name apart, and one before and after a restart.
    public var instance: String

    init(daemon: String) {
        self.daemon = daemon
        host = ProcessInfo.processInfo.hostName
        pid = ProcessInfo.processInfo.processIdentifier
        since = Timestamp.wallClock().description
        instance = String(UInt64.random(in: .min ... .max), radix: 36)
    }

    /// Reads an entry's value; nil if no daemon wrote it.
    init?(_ value: [UInt8]) {
        do {
            self = try JSONDecoder().decode(LeaseHolder.self, from: Data(value))
        } catch {
            return nil
        }
    }

    /// Who wrote an entry that no daemon writes.
    static let unknown: LeaseHolder = {
        var holder = LeaseHolder(daemon: "something else")
        (holder.host, holder.pid, holder.since, holder.instance) = ("", 0, "", "")
        return holder
    }()

    /// The same daemon, for something that it takes now.
    func takingNow() -> LeaseHolder {
        var copy = self
        copy.since = Timestamp.wallClock().description
        return copy
    }

    /// An entry's value.
    func value() throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(self))
    }
}

/// The keys of the buckets in which daemons work together.
enum LeaseKey {
    private static let jobPrefix = "job."

    /// The key of a job's lease, or of what daemons tell each other of the job.
    static func job(_ name: String) -> Key { Key(jobPrefix + escaped(name)) }

    /// The key by which a daemon says that it is there; two of one name have two.
    static func daemon(_ holder: LeaseHolder) -> Key { Key("daemon.\(escaped(holder.daemon)).\(holder.instance)") }

    /// The job that a key is about; nil for other keys.
    static func jobName(_ key: Key) -> String? {
        let text = String(decoding: key.bytes, as: UTF8.self)
        guard text.hasPrefix(jobPrefix) else { return nil }
        return unescaped(text.dropFirst(jobPrefix.count))
    }

    /// What bytes stand in keys as they are; the others stand as `=` and two hexadecimal digits.
    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case 45, 95, 48...57, 65...90, 97...122: true
        default: false
        }
    }

    private static func escaped(_ name: String) -> String {
        name.utf8.map { byte in
            isPlain(byte)
                ? String(UnicodeScalar(byte))
                : (byte < 16 ? "=0" : "=") + String(byte, radix: 16, uppercase: true)
        }
        .joined()
    }

    private static func unescaped(_ text: Substring) -> String? {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            guard byte == 61 else {
                bytes.append(byte)
                continue
            }
            guard let digits = String(rest.prefix(2)), digits.utf8.count == 2, let escaped = UInt8(digits, radix: 16)
            else { return nil }
            bytes.append(escaped)
            rest = rest.dropFirst(2)
        }
        return String(validating: bytes, as: UTF8.self)
    }
}
