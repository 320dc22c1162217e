public import Archive
import Foundation
import KVModel
public import Logging

/// The archives of a configuration: each with one writer in this process, which all runs share.
///
/// An archive is opened when a run first writes it, and closed when the last run has ended: then it is one file again.
/// Its transactions keep runs apart that do different things; what must not be done twice at once, such as capturing a
/// bucket or pruning, is done in turn (`Claim`). So a backup that follows buckets all the time holds up nobody else's.
/// Readers need no turn: `reader(_:)`.
public actor ArchiveSlots {
    /// What only one run at a time may do to an archive.
    enum Claim: Sendable, Hashable {
        /// Capturing this bucket of this cluster, as servers call it.
        case bucket(cluster: String, name: BucketName)
        /// Dropping and merging segments.
        case care
    }

    /// A claim on an archive, by its path.
    private struct Place: Sendable, Hashable {
        let path: String
        let claim: Claim
    }

    private struct Slot {
        var writer: ArchiveWriter
        var users = 0
    }

    private var archives: [String: ArchiveSettings]
    private var slots: [String: Slot] = [:]
    private var keys: [ArchiveSettings: ArchiveKey] = [:]
    private let turns = Turns<Place>()
    private let logger: Logger

    /// The archives of a configuration, by name; nothing is opened yet.
    public init(_ archives: [String: ArchiveSettings], logger: Logger) {
        self.archives = archives
        self.logger = logger
    }

    /// Takes over what a configuration that was read again says; runs that are under way keep what they have.
    public func reload(_ archives: [String: ArchiveSettings]) {
        self.archives = archives
        keys = keys.filter { archives.values.contains($0.key) }
    }

    /// Opens an archive for reading, with its key.
    public func reader(_ name: String) throws -> ArchiveReader {
        let settings = try settings(name)
        return try ArchiveReader.open(path: settings.path, key: try key(settings))
    }

    /// Where an archive is.
    func path(_ name: String) throws -> String { try settings(name).path }

    /// Lends the archive's writer, for what runs may do side by side; it is closed when nobody has it any more.
    ///
    /// Whatever is opened for reading meanwhile must be closed before the end, or a write-ahead log stays beside the file.
    /// Under a lease that is over nothing is written, neither here nor where another daemon with a later one has written.
    func withWriter<Result: Sendable>(
        _ name: String,
        creates: Bool = false,
        lease: Lease? = nil,
        _ body: @Sendable (ArchiveWriter) async throws -> Result
    ) async throws -> Result {
        let settings = try settings(name)
        let path = Self.canonical(settings.path)
        var slot: Slot
        if let open = slots[path] {
            slot = open
        } else {
            let key = try key(settings)
            slot = Slot(writer: try ArchiveWriter.open(path: settings.path, createIfMissing: creates, key: key))
        }
        slot.users += 1
        slots[path] = slot
        let result: Swift.Result<Result, any Error>
        do {
            var writer = slot.writer
            if let lease { writer = writer.fenced(by: lease.fencing) { try lease.check() } }
            result = .success(try await body(writer))
        } catch {
            result = .failure(error)
        }
        leave(path)
        return try result.get()
    }

    /// Lends the writer for what only one run at a time may do.
    func withWriter<Result: Sendable>(
        _ name: String,
        claiming claim: Claim,
        as holder: String,
        isEndless: Bool = false,
        lease: Lease? = nil,
        _ body: @Sendable (ArchiveWriter) async throws -> Result
    ) async throws -> Result {
        let place = Place(path: Self.canonical(try path(name)), claim: claim)
        do {
            return try await turns.having(place, as: .init(name: holder, isEndless: isEndless)) {
                try await self.withWriter(name, lease: lease, body)
            }
        } catch let error as Turns<Place>.Taken {
            throw DaemonError(
                .configuration,
                text: "job \(error.holder) captures it into the same archive all the time",
                hint: "leave the bucket to one of the two jobs, or give one of them another archive"
            )
        }
    }

    private func leave(_ path: String) {
        guard var slot = slots[path] else { return }
        slot.users -= 1
        guard slot.users == 0 else {
            slots[path] = slot
            return
        }
        slots[path] = nil
        do {
            try slot.writer.close()
        } catch {
            // All that was committed is on the disk; who opens the archive next finishes what is left of the log.
            logger.warning("an archive was not closed cleanly", metadata: ["path": "\(path)", "reason": "\(error)"])
        }
    }

    private func settings(_ name: String) throws -> ArchiveSettings {
        guard let settings = archives[name] else {
            throw DaemonError(
                .configuration,
                text: "the configuration names no archive \"\(name)\"",
                hint: "it was read again, and the archive is gone; change the job as well"
            )
        }
        return settings
    }

    /// The archive's key, one value for all who open it: what a passphrase costs is paid once.
    private func key(_ settings: ArchiveSettings) throws -> ArchiveKey? {
        if let key = keys[settings] { return key }
        let key: ArchiveKey
        if let file = settings.keyFile {
            key = try ArchiveKey(keyFile: Self.content(of: file))
        } else if let passphrase = settings.passphrase {
            key = try ArchiveKey(passphrase: Array(passphrase.value.utf8))
        } else {
            return nil
        }
        keys[settings] = key
        return key
    }

    private static let largestKeyFile = 1 << 16

    private static func content(of path: String) throws -> [UInt8] {
        guard let file = FileHandle(forReadingAtPath: path) else {
            throw DaemonError(
                .configuration,
                text: "the key file \(path) cannot be read: \(String(cString: strerror(errno)))",
                hint: "check the path, and that this user may read it"
            )
        }
        return Array(try file.read(upToCount: largestKeyFile) ?? Data())
    }

    /// One name for a file, however it is written, whether it exists yet or not.
    private static func canonical(_ path: String) -> String {
        let url = URL(fileURLWithPath: path)
        return url.deletingLastPathComponent().resolvingSymlinksInPath().path + "/" + url.lastPathComponent
    }
}
