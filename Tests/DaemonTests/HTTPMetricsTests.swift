import Foundation
import TestSupport
import Testing

@testable import Daemon

@Suite("HTTP metrics")
struct HTTPMetricsTests {
    private static let promtool = "/usr/bin/promtool"
    /// Continuous integration must have the tool; a developer's machine may be without.
    private static let mustCheck =
        FileManager.default.isExecutableFile(atPath: promtool) || ProcessInfo.processInfo.environment["CI"] != nil

    @Test("promtool takes the metrics, with names that need escaping", .enabled(if: mustCheck))
    func checked() async throws {
        let daemon = StandInDaemon()
        await daemon.change {
            $0.jobs[0].name = "a \"quoted\" \\ name\nof two lines"
            $0.buckets.append($0.buckets[0])
        }
        let face = try await RunningFace(daemon)
        let metrics = try await face.ask("/metrics")
        try await face.stop()
        #expect(metrics.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
        let folder = try TemporaryDirectory("metrics")
        try Data(metrics.text.utf8).write(to: URL(fileURLWithPath: folder.file("metrics")))
        var plan = ChildProcess.Plan(program: Self.promtool)
        plan.arguments = ["check", "metrics"]
        plan.input = folder.file("metrics")
        plan.output = folder.file("said")
        plan.errors = folder.file("said")
        let exit = try await ChildProcess(plan).waitForExit()
        let said = try String(contentsOfFile: folder.file("said"), encoding: .utf8)
        #expect(exit.code == 0, "\(said)")
        #expect(said.isEmpty)
    }

    @Test("What is known has its number, what is not known has none")
    func numbers() {
        var view = StandInDaemon.example()
        view.started = 1_700_000_000_500_000_000
        view.jobs[2].lastSuccess = 1_700_000_001_000_000_000
        view.jobs[2].nextRun = nil
        let lines = Set(view.metrics(isReady: true).split(separator: "\n").map(String.init))
        for line in [
            "cistern_build_info{version=\"1.4.0\",daemon=\"cistern-1\"} 1",
            "cistern_start_time_seconds 1700000000.5",
            "cistern_ready 1",
            "cistern_daemons_alive 2",
            "cistern_leases_held{holder=\"cistern-1\"} 3",
            "cistern_job_runs_total{job=\"to-west\",outcome=\"failed\"} 7",
            "cistern_job_last_success_timestamp_seconds{job=\"to-west\"} 1700000001",
            "cistern_job_last_run_duration_seconds{job=\"nightly\"} 4",
            "cistern_job_consecutive_failures{job=\"to-west\"} 3",
            "cistern_job_state{job=\"to-west\",state=\"failing\"} 1",
            "cistern_job_state{job=\"to-west\",state=\"ok\"} 0",
            "cistern_job_lag_entries{job=\"orders\"} 12",
            "cistern_job_lag_seconds{job=\"orders\"} 0.34",
            "cistern_job_running{job=\"orders\"} 1",
            "cistern_job_paused{job=\"prune\"} 1",
            "cistern_bucket_values{cluster=\"east\",bucket=\"orders\"} 1204423",
            "cistern_bucket_bytes{cluster=\"east\",bucket=\"orders\"} 381220113",
            "cistern_bucket_history{cluster=\"east\",bucket=\"orders\"} 64",
            "cistern_bucket_ttl_seconds{cluster=\"east\",bucket=\"orders\"} 2592000",
            "cistern_bucket_replicas{cluster=\"east\",bucket=\"orders\"} 3",
            "cistern_bucket_up{cluster=\"west\",bucket=\"config\"} 0",
            "cistern_archive_bytes{archive=\"main\"} 912332800",
            "cistern_archive_consistent_revision{archive=\"main\",cluster=\"east\",bucket=\"orders\"} 2884101",
        ] {
            #expect(lines.contains(line), "\(line)")
        }
        for absent in [
            "cistern_job_next_run_timestamp_seconds{job=\"to-west\"}", "cistern_job_lag_entries{job=\"nightly\"}",
            "cistern_bucket_values{cluster=\"west\"", "cistern_job_last_run_duration_seconds{job=\"new",
            "cistern_archive_consistent_revision{archive=\"main\",cluster=\"east\",bucket=\"sessions\"}",
        ] {
            #expect(!lines.contains { $0.hasPrefix(absent) }, "\(absent)")
        }
    }
}
