import Archive
import Daemon
import Foundation
import KVModel
import Schedule
import Synchronization
import TestSupport
import Testing

/// A real server, an archive's folder, and a runner of jobs on them.
final class WorkRig: Sendable {
    let server: ServerProcess
    let folder: TemporaryDirectory
    let logs = LogCollector()
    let connections: ClusterConnections
    let archives: ArchiveSlots
    let runner: JobRunner

    init(
        _ server: ServerProcess,
        bytesPerSecond: UInt64? = nil,
        leases: LeaseSettings? = nil,
        archive: (inout ArchiveSettings) -> Void = { _ in }
    ) throws {
        self.server = server
        folder = try TemporaryDirectory("work")
        var cluster = ClusterSettings()
        cluster.servers = [server.url]
        cluster.bytesPerSecond = bytesPerSecond
        var settings = ArchiveSettings(path: folder.file("main.cistern"))
        archive(&settings)
        connections = ClusterConnections(["c": cluster], environment: [:], version: "test", logger: logs.logger())
        archives = ArchiveSlots(["main": settings], logger: logs.logger())
        var intervals = JobRunner.Intervals()
        intervals.search = .milliseconds(50)
        intervals.care = .milliseconds(300)
        runner = JobRunner(
            connections: connections,
            archives: archives,
            leases: leases,
            intervals: intervals,
            logger: logs.logger()
        )
    }

    /// A rig on a server of its own, closed when `body` is done.
    static func with(
        _ binary: ServerBinary? = nil,
        bytesPerSecond: UInt64? = nil,
        leases: LeaseSettings? = nil,
        archive: (inout ArchiveSettings) -> Void = { _ in },
        _ body: (WorkRig) async throws -> Void
    ) async throws {
        let server = try await ServerProcess.start(binary)
        defer { server.close() }
        let rig = try WorkRig(server, bytesPerSecond: bytesPerSecond, leases: leases, archive: archive)
        do {
            try await body(rig)
        } catch {
            await rig.connections.close()
            throw error
        }
        await rig.connections.close()
    }

    var path: String { folder.file("main.cistern") }

    func job(_ name: String, _ work: JobSettings.Work, _ schedule: Recurrence = .manual) -> JobSettings {
        JobSettings(name: name, work: work, schedule: schedule, line: 1)
    }

    func backup(
        _ buckets: [String],
        _ name: String = "nightly",
        _ change: (inout BackupWork) -> Void = { _ in }
    )
        -> JobSettings
    {
        var work = BackupWork(cluster: "c", buckets: buckets, archive: "main")
        change(&work)
        return job(name, .backup(work))
    }

    func drill(_ change: (inout DrillWork) -> Void = { _ in }) -> JobSettings {
        var work = DrillWork(archive: "main", cluster: "c")
        change(&work)
        return job("drill", .drill(work))
    }

    /// Writes values into a new bucket.
    func makeBucket(_ name: String, entries: Int = 20, size: Int = 16, more: String = "") async throws {
        try await server.withClient { client in
            try client.createBucket(name, history: 5, more: more)
            try client.fill(name, count: entries, size: size, seed: 7)
        }
    }

    /// The names of all streams.
    func streams() async throws -> [String] {
        try await server.withClient { client in
            (try client.api("STREAM.NAMES")["streams"] as? [String] ?? []).sorted()
        }
    }

    /// The files beside the archive, and the archive itself.
    func files() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
    }

    /// What the archive holds, for `body`.
    func reading<Result>(_ body: (ArchiveReader) throws -> Result) throws -> Result {
        let reader = try ArchiveReader.open(path: path)
        let result = try body(reader)
        try reader.close()
        return result
    }

    /// The newest revision at which the archive holds a bucket exactly; nil before there is one.
    func consistentRevision(_ bucket: String) throws -> Revision? {
        guard ArchiveReader.isPresent(path: path) else { return nil }
        return try reading { reader -> Revision? in
            let lives = try reader.incarnations().filter { $0.bucket.rawValue == bucket }
            guard let newest = lives.last else { return nil }
            return try reader.checkpoint(newest.id)?.consistentRevision
        }
    }
}

/// Keeps what a run tells of its progress.
final class ProgressCollector: Sendable {
    private let state = Mutex<[RunProgress]>([])

    var all: [RunProgress] { state.withLock { $0 } }
    var last: RunProgress? { all.last }

    @Sendable func add(_ progress: RunProgress) {
        state.withLock { $0.append(progress) }
    }
}
