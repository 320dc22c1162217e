import Logging
import TestSupport
import Testing

@testable import Daemon

@Suite("A scheduler in this process")
struct SchedulerTests {
    @Test("What goes wrong in a part of a run that goes on is shown and told of, and what goes well again")
    func warnings() async throws {
        try await WebhookServer.with { hooks in
            let server = try await ServerProcess.start()
            defer { server.close() }
            try await server.withClient { try $0.createBucket("here") }
            let rig = try ConfigurationRig()
            let configuration = try rig.load(
                """
                clusters:
                  c: { servers: ["\(server.url)"] }
                archives:
                  main: { path: main.cistern }
                jobs:
                  live:
                    backup: { from: c, buckets: [here, gone], to: main, follow: true }
                    notify: { on: [failure, recovery], url: "http://127.0.0.1:\(hooks.port)/hook" }
                daemon: { state: state.db }
                """
            ).checked()
            var options = Scheduler.Options(version: "1", environment: rig.environment)
            options.sampleInterval = .milliseconds(100)
            var logger = Logger(label: "scheduler")
            logger.logLevel = .critical
            let scheduler = try Scheduler(configuration, options: options, logger: logger)
            let running = Task { try await scheduler.run() }
            defer { running.cancel() }
            try await eventually("the bucket that is missing to be shown") {
                let job = try await scheduler.view().jobs[0]
                return job.state == .failing && job.needsAttention
                    && job.progress?.warning?.contains("there is no such bucket") == true
            }
            try await eventually("somebody to be told") {
                hooks.received.contains {
                    $0.body.contains(#""failure""#) && $0.body.contains("there is no such bucket")
                }
            }
            try await server.withClient { try $0.createBucket("gone") }
            try await eventually("all to go well") {
                let job = try await scheduler.view().jobs[0]
                return job.state == .running && job.progress?.warning == nil && !job.needsAttention
            }
            try await eventually("somebody to be told of that") {
                hooks.received.contains { $0.body.contains(#""recovery""#) }
            }
            #expect(hooks.received.count == 2, "\(hooks.received)")
            running.cancel()
            try await running.value
        }
    }

    @Test("A cluster that was never reached keeps the daemon from being ready, and its buckets say why")
    func neverReached() async throws {
        var server = ServerProcess.Options()
        let port = try FreePort.next()
        server.port = port
        let rig = try ConfigurationRig()
        let configuration = try rig.load(
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
        let options = Scheduler.Options(version: "1", environment: rig.environment)
        var logger = Logger(label: "scheduler")
        logger.logLevel = .critical
        let scheduler = try Scheduler(configuration, options: options, logger: logger)
        let running = Task { try await scheduler.run() }
        defer { running.cancel() }
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
        let started = try await ServerProcess.start(options: server)
        defer { started.close() }
        try await scheduler.runNow("nightly")
        try await eventually("the daemon to be ready") { await scheduler.readiness() == .ready }
        running.cancel()
        try await running.value
    }
}
