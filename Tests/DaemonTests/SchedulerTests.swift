import KVModel
import Schedule
import TestSupport
import Testing

@testable import Daemon

@Suite("A scheduler in this process")
struct SchedulerTests {
    @Test("What goes wrong in a part of a run that goes on is shown and told of, and what goes well again")
    func warnings() async throws {
        try await SchedulerRig.with { rig in
            try await rig.server.withClient { try $0.createBucket("here") }
            let jobs = """
                  live:
                    backup: { from: c, buckets: [here, gone], to: main, follow: true }
                    \(rig.notify)
                """
            try await rig.serving(try rig.configuration(jobs: jobs)) { scheduler in
                try await eventually("the bucket that is missing to be shown") {
                    let job = try await scheduler.view().jobs[0]
                    return job.state == .failing && job.needsAttention
                        && job.progress?.warning?.contains("there is no such bucket") == true
                }
                try await eventually("somebody to be told") {
                    rig.hooks.received.contains {
                        $0.body.contains(#""failure""#) && $0.body.contains("there is no such bucket")
                    }
                }
                try await rig.server.withClient { try $0.createBucket("gone") }
                try await eventually("all to go well") {
                    let job = try await scheduler.view().jobs[0]
                    return job.state == .running && job.progress?.warning == nil && !job.needsAttention
                }
                try await eventually("somebody to be told of that") {
                    rig.hooks.received.contains { $0.body.contains(#""recovery""#) }
                }
                #expect(rig.hooks.received.count == 2, "\(rig.hooks.received)")
            }
        }
    }

    @Test("A run that was cut off with its daemon is told of, and made up for once", arguments: [false, true])
    func cutOff(isAgain: Bool) async throws {
        try await SchedulerRig.with { rig in
            try await rig.server.withClient { try $0.createBucket("here") }
            let minute: Int64 = 60_000_000_000
            let due = (Scheduler.now() / minute - 120) * minute
            let time = due / minute % 1440
            let jobs = """
                  nightly:
                    backup: { from: c, buckets: [here], to: main }
                    schedule: "\(time % 60) \(time / 60) * * *"
                    timezone: UTC
                    \(rig.notify)
                """
            // As a daemon leaves it that is killed in the middle.
            let state = try StateDatabase.open(path: rig.state)
            try state.setLastDue(due - 1, job: "nightly")
            _ = try state.begin(
                RunRecord(
                    job: "nightly",
                    kind: "backup",
                    cause: isAgain ? .missed : .schedule,
                    due: due,
                    started: due,
                    daemon: "a"
                )
            )
            try state.close()
            let configuration = try rig.configuration(jobs: jobs)
            try await rig.serving(configuration) { scheduler in
                try await eventually("somebody to be told") {
                    rig.hooks.received.contains { $0.body.contains("ended without saying so") }
                }
                guard isAgain else {
                    return try await eventually("the run to be made up for") {
                        let runs = try await scheduler.runs(of: "nightly", before: nil, limit: 9)
                        return runs.first?.cause == .missed && runs.first?.due == due
                            && runs.first?.outcome == .succeeded
                    }
                }
                // What is due is begun before anybody is told anything.
                #expect(try await scheduler.runs(of: "nightly", before: nil, limit: 9).count == 1)
                #expect(try await scheduler.view().jobs[0].nextRun == due + 1440 * minute)
            }
        }
    }

    @Test("Where the cluster of the leases changes, or its limits, this daemon keeps its jobs")
    func reload() async throws {
        try await SchedulerRig.with { rig in
            try await rig.server.withClient { try $0.createBucket("here") }
            let jobs = "  ask: { backup: { from: c, buckets: [here], to: main } }"
            let daemon = ", leases: { cluster: c, bucket: leases, duration: 2s }"
            func configuration(_ cluster: String) throws -> DaemonConfiguration {
                try rig.configuration(cluster: cluster, jobs: jobs, daemon: daemon)
            }
            try await rig.serving(try configuration("")) { scheduler in
                try await eventually("the lease") { try await scheduler.view().jobs[0].holder == "a" }
                for change in [", rate: 10MB/s", ", timeout: 4s"] {
                    await scheduler.reload(try configuration(change))
                    let before = try await Self.revision(rig.server)
                    // Twice, as one renewal may have been under way.
                    try await eventually("the lease to be renewed after \(change)", timeout: .seconds(20)) {
                        try await Self.revision(rig.server) > before + 2
                    }
                    #expect(try await scheduler.view().jobs[0].holder == "a", "\(change)")
                }
            }
        }
    }

    @Test("A failure that the next due time comes before the next try of is told at once")
    func tries() {
        var settings = JobSettings(name: "a", work: .verify(VerifyWork(archive: "main")), schedule: .manual, line: 1)
        settings.retry = retries(5, from: 200, to: 200)
        for (interval, isTriedAgain) in [(60, false), (600, true)] {
            var bench = JobBench([every(Int64(interval), retry: settings.retry)])
            #expect(bench.advance(Int64(interval)).count == 1)
            #expect(bench.ended(1, .failed, at: Int64(interval) + 1) == [])
            #expect(bench.machine.status("a")?.isTriedAgain(by: settings) == isTriedAgain)
        }
    }

    /// The last revision of the lease of job `ask`; 0 if nobody has it.
    private static func revision(_ server: ServerProcess) async throws -> UInt64 {
        try await server.withClient { client in
            let last = try client.getAllMessages("KV_leases").last { message in
                String(decoding: message.subject, as: UTF8.self).hasSuffix("job.ask")
            }
            return last?.seq ?? 0
        }
    }

    @Test(
        "A pause from before there were other daemons holds, and they are told; before they can be told there is none"
    )
    func pauses() async throws {
        try await SchedulerRig.with { rig in
            let jobs = "  ask: { backup: { from: c, buckets: [here], to: main } }"
            let alone = try rig.configuration(jobs: jobs)
            let shared = try rig.configuration(jobs: jobs, daemon: ", leases: { cluster: c, duration: 2s }")
            try await rig.serving(alone) { scheduler in try await scheduler.pause("ask") }
            try await rig.serving(shared) { scheduler in
                try await eventually("the lease") { try await scheduler.view().jobs[0].holder == "a" }
                try await eventually("the others to be told") {
                    try await rig.server.withClient { client in
                        try client.getAllMessages("KV_cistern-leases-jobs").contains {
                            String(decoding: $0.data, as: UTF8.self).contains(#""isPaused":true"#)
                        }
                    }
                }
                #expect(try await scheduler.view().jobs[0].isPaused)
                try await scheduler.resume("ask")
                #expect(try await scheduler.view().jobs[0].isPaused == false)
            }
            rig.server.close()
            try await rig.serving(shared) { scheduler in
                await #expect(throws: DaemonError.self) { try await scheduler.pause("ask") }
                let isPaused = try await scheduler.view().jobs[0].isPaused
                #expect(!isPaused)
            }
        }
    }

    @Test("Who waits for a run that will not come is told so")
    func waiters() async throws {
        try await SchedulerRig.with { rig in
            let jobs = """
                  ask:
                    backup: { from: c, buckets: [here], to: main }
                    retry: { attempts: 3, from: 1h, to: 1h }
                """
            try await rig.serving(try rig.configuration(jobs: jobs)) { scheduler in
                let asking = Task { try await scheduler.runOnce("ask") }
                try await eventually("the first try to have failed") {
                    try await scheduler.view().jobs[0].state == .failing
                }
                try await scheduler.pause("ask")
                await #expect(throws: DaemonError.self) { try await asking.value }
            }
        }
    }

    @Test("A cluster that was never reached keeps the daemon from being ready, and its buckets say why")
    func neverReached() async throws {
        // The server of the rig is another one.
        try await SchedulerRig.with { rig in
            var options = ServerProcess.Options()
            let port = try FreePort.next()
            options.port = port
            let later = options
            let configuration = try rig.files.load(
                """
                clusters:
                  c: { servers: ["nats://127.0.0.1:\(port)"] }
                archives:
                  main: { path: main.cistern }
                jobs:
                  nightly: { backup: { from: c, buckets: [orders, "app-*"], to: main } }
                daemon: { state: state.db }
                """
            ).checked()
            // Between two looks at the cluster nobody tries to reach it: what is remembered counts.
            try await rig.serving(configuration) { scheduler in
                try await eventually("the bucket to be shown, with what is wrong") {
                    try await scheduler.view().buckets.first?.error != nil
                }
                let buckets = try await scheduler.view().buckets
                #expect(buckets.map(\.name) == ["orders"] && buckets.map(\.seen) == [nil])
                let readiness = await scheduler.readiness()
                if case .notReady(let reasons) = readiness {
                    #expect(reasons.count == 1 && reasons[0].hasPrefix("cluster c is not connected: "), "\(reasons)")
                } else {
                    Issue.record("it is ready")
                }
                let started = try await ServerProcess.start(options: later)
                defer { started.close() }
                try await scheduler.runNow("nightly")
                try await eventually("the daemon to be ready") { await scheduler.readiness() == .ready }
            }
        }
    }
}
