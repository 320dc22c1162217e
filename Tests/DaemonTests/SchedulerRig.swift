import Foundation
import Logging
import TestSupport
import Testing

@testable import Daemon

/// A server, a folder, and a scheduler in this process.
struct SchedulerRig: Sendable {
    let server: ServerProcess
    let hooks: WebhookServer
    let files: ConfigurationRig

    /// Calls `body` with a rig, and ends its server.
    static func with(_ body: @escaping @Sendable (SchedulerRig) async throws -> Void) async throws {
        try await WebhookServer.with { hooks in
            let server = try await ServerProcess.start()
            defer { server.close() }
            try await body(SchedulerRig(server: server, hooks: hooks, files: try ConfigurationRig()))
        }
    }

    /// A configuration with the cluster `c` and the archive `main`.
    func configuration(cluster: String = "", jobs: String, daemon: String = "") throws -> DaemonConfiguration {
        try files.load(
            """
            clusters:
              c: { servers: ["\(server.url)"]\(cluster) }
            archives:
              main: { path: main.cistern }
            jobs:
            \(jobs)
            daemon: { state: state.db\(daemon) }
            """
        ).checked()
    }

    var notify: String { #"notify: { on: [failure, recovery], url: "http://127.0.0.1:\#(hooks.port)/hook" }"# }

    var state: String { files.file("state.db") }

    /// Runs a scheduler while `body` does something.
    func serving(_ configuration: DaemonConfiguration, _ body: (Scheduler) async throws -> Void) async throws {
        var options = Scheduler.Options(version: "1", environment: files.environment)
        options.name = "a"
        options.sampleInterval = .milliseconds(100)
        var logger = Logger(label: "scheduler")
        logger.logLevel = .critical
        let scheduler = try Scheduler(configuration, options: options, logger: logger)
        let running = Task { try await scheduler.run() }
        do {
            try await body(scheduler)
        } catch {
            running.cancel()
            _ = await running.result
            throw error
        }
        running.cancel()
        try await running.value
    }
}
