import Daemon
import Foundation
import KVModel

/// A daemon that keeps in memory what the real one keeps in its database, and does at once what it is told.
actor StandInDaemon: DaemonControl {
    private(set) var state: DaemonView
    private(set) var history: [RunRecord]
    private var ready: Readiness = .ready
    /// How long every look at it takes.
    private var delay: Duration?
    /// How often it was looked at.
    private(set) var views = 0
    /// What it was told to do, such as `run nightly`.
    private(set) var told: [String] = []

    init(_ state: DaemonView = StandInDaemon.example(), history: [RunRecord] = []) {
        self.state = state
        self.history = history.isEmpty ? state.jobs.flatMap(\.recentRuns).sorted { $0.id > $1.id } : history
    }

    func set(_ readiness: Readiness) { ready = readiness }
    func answer(after delay: Duration) { self.delay = delay }
    func change(_ change: @Sendable (inout DaemonView) -> Void) { change(&state) }

    func view() async throws -> DaemonView {
        views += 1
        if let delay { try await Task.sleep(for: delay) }
        var view = state
        view.now = Timestamp.wallClock().nanoseconds
        return view
    }

    func runs(of job: String?, before: Int64?, limit: Int) -> [RunRecord] {
        Array(
            history.lazy.filter { (job == nil || $0.job == job) && $0.id < before ?? .max }.prefix(limit)
        )
    }

    func runNow(_ job: String) throws {
        let index = try index(of: job)
        guard state.jobs[index].state != .elsewhere else {
            throw DaemonError(
                .leaseHeldByOther,
                text: "the job \(job) is held by \(state.jobs[index].holder ?? "")",
                hint: "ask that daemon"
            )
        }
        told.append("run \(job)")
        let now = Timestamp.wallClock().nanoseconds
        let run = RunRecord(
            id: (history.first?.id ?? 0) + 1,
            job: job,
            kind: state.jobs[index].kind,
            cause: .request,
            started: now,
            finished: now + 1_000_000,
            outcome: .succeeded,
            revision: 4711,
            entries: 3,
            bytes: 300,
            summary: "3 entries, complete to revision 4711",
            daemon: state.name
        )
        history.insert(run, at: 0)
        state.jobs[index].recentRuns.insert(run, at: 0)
        state.jobs[index].lastRun = run
        state.jobs[index].lastSuccess = now
        state.jobs[index].consecutiveFailures = 0
        state.jobs[index].totals.succeeded += 1
        state.jobs[index].state = .ok
    }

    func pause(_ job: String) throws {
        let index = try index(of: job)
        told.append("pause \(job)")
        state.jobs[index].isPaused = true
        state.jobs[index].state = .paused
    }

    func resume(_ job: String) throws {
        let index = try index(of: job)
        told.append("resume \(job)")
        state.jobs[index].isPaused = false
        state.jobs[index].state = .ok
    }

    func readiness() -> Readiness { ready }

    private func index(of job: String) throws -> Int {
        guard let index = state.jobs.firstIndex(where: { $0.name == job }) else {
            throw DaemonError(.unknownJob, text: "there is no job \(job)", hint: "the jobs are nightly and others")
        }
        return index
    }

    /// A daemon with a job in every state; the one that fails is not the first.
    static func example() -> DaemonView {
        let now = Timestamp.wallClock().nanoseconds
        let second: Int64 = 1_000_000_000
        var jobs = [
            job("nightly", .ok, "app-* and sessions of east to main", "0 3 * * * (Europe/Berlin)", now: now),
            job("orders", .running, "orders of east to main, following", "always", now: now),
            job("to-west", .failing, "east/config to west/config", "*/15 * * * *", now: now),
            job("drill", .waiting, "every bucket of main into east", "0 5 * * 0", now: now),
            job("verify", .elsewhere, "main against east/orders", "@every 6h", now: now),
            job("new <job> & co", .neverRan, "the newest point of \"main\"", "manual", now: now),
            job("prune", .paused, "main: 30 days, 14 daily, 8 weekly", "0 4 * * 0", now: now),
        ]
        jobs[1].runningSince = now - 7_400 * second
        jobs[1].progress = RunProgress(
            activity: "following orders",
            entries: 1_204_411,
            bytes: 345_200_114,
            lagEntries: 12,
            lagTime: 340_000_000,
            interruptions: 1
        )
        jobs[1].samples = (0..<120).map { step in
            let wave = sin(Double(step) / 9) * 40 + 60
            return .init(
                time: now - Int64(120 - step) * 5 * second,
                lagEntries: step == 60 ? nil : UInt64(wave * 3),
                lagTime: Int64(wave * 1e6),
                entriesPerSecond: wave * 9,
                bytesPerSecond: wave * 900
            )
        }
        jobs[2].consecutiveFailures = 3
        jobs[4].holder = "cistern-2"
        jobs[5].recentRuns = []
        jobs[5].lastRun = nil
        jobs[5].lastSuccess = nil
        jobs[5].totals = .init()
        jobs[6].isPaused = true
        return DaemonView(
            name: "cistern-1",
            version: "1.4.0",
            started: now - 200_000 * second,
            now: now,
            jobs: jobs,
            buckets: [
                BucketView(
                    cluster: "east",
                    name: "orders",
                    seen: now - 3 * second,
                    values: 1_204_423,
                    bytes: 381_220_113,
                    history: 64,
                    ttl: 2_592_000 * second,
                    replicas: 3,
                    isCompressed: true,
                    maximumBytes: 1 << 30,
                    lastRevision: 2_884_113
                ),
                BucketView(cluster: "east", name: "config", seen: now - 3 * second, values: 412, bytes: 90_133),
                BucketView(cluster: "west", name: "config", seen: nil, error: "west-1:4222 refuses the connection"),
            ],
            archives: [
                ArchiveView(
                    name: "main",
                    path: "/var/lib/cistern/main.cistern",
                    bytes: 912_332_800,
                    buckets: [
                        .init(
                            cluster: "east",
                            bucket: "orders",
                            consistentRevision: 2_884_101,
                            consistentTime: now - 4 * second
                        ),
                        .init(cluster: "east", bucket: "sessions"),
                    ]
                )
            ],
            daemons: [
                PeerView(name: "cistern-1", isSelf: true, seen: now, jobs: ["nightly", "orders", "to-west"]),
                PeerView(name: "cistern-2", seen: now - 2 * second, jobs: ["verify"]),
            ]
        )
    }

    private static func job(
        _ name: String,
        _ state: JobView.State,
        _ summary: String,
        _ schedule: String,
        now: Int64
    ) -> JobView {
        let hour: Int64 = 3_600_000_000_000
        let runs = (0..<24).map { step -> RunRecord in
            let fails = state == .failing ? step < 3 : step == 17
            let began = now - Int64(step + 1) * hour
            return RunRecord(
                id: Int64(1000 - step),
                job: name,
                kind: "backup",
                cause: step == 1 ? .retry : .schedule,
                attempt: step == 1 ? 2 : 1,
                due: began,
                started: began,
                finished: began + 4_000_000_000 + Int64(step * step) * 90_000_000,
                outcome: fails ? .failed : step == 11 ? .stopped : .succeeded,
                revision: fails ? nil : UInt64(2_884_101 - step * 1000),
                entries: UInt64(1204 + step),
                bytes: 345_200,
                summary: fails ? "" : "1,204 entries, complete to revision \(2_884_101 - step * 1000)",
                error: fails
                    ? "bucket config of west: the server west-1:4222 refuses the connection; see whether it runs"
                    : nil,
                daemon: "cistern-1"
            )
        }
        return JobView(
            name: name,
            kind: "backup",
            summary: summary,
            schedule: schedule,
            state: state,
            nextRun: now + hour / 4,
            lastRun: runs[0],
            lastSuccess: runs.first { $0.outcome == .succeeded }?.finished,
            recentRuns: runs,
            totals: .init(succeeded: 400, failed: 7, stopped: 1, entries: 481_000, bytes: 9_000_000)
        )
    }
}
