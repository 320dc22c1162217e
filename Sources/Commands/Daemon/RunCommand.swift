import ArgumentParser
import Daemon
import Schedule

/// `cistern run`: one job of a configuration file, now.
struct RunCommand: CisternCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Run one job of a configuration file now.",
        discussion: """
            If a daemon serves the file, it runs the job, and this command waits for its end. If none does, or with \
            --here, the job runs here, with its retries and notifications, and is written down where a daemon would: that \
            is for cron. A job that runs all the time, such as a mirror, catches up once.

            Ends with exit code 3 if a comparison found differences, with 75 if another daemon has the job.

            Examples:
              cistern run nightly
              cistern run nightly --here --config /etc/cistern/cistern.yaml
            """
    )
    static let stopsAtCheckpoint = true

    @Argument(help: "The job.")
    var job: String

    @Flag(help: "Run it in this process, whether or not a daemon serves the file.")
    var here = false

    @OptionGroup(title: "Configuration")
    var file: ConfigurationOptions

    @OptionGroup(title: "Output")
    var output: OutputOptions

    func perform(_ console: Console) async throws -> RunStatus {
        var configuration = try file.load(console)
        var settings = try configuration.job(job)
        if !here, let http = configuration.daemon.http {
            let status = try await DaemonClient.withClient(of: http) { daemon -> RunStatus? in
                do {
                    try await daemon.checkAlive()
                } catch let error as DaemonError where error.code == .unreachable {
                    return nil
                }
                return try await follow(daemon, console)
            }
            if let status { return status }
        }
        settings.schedule = .manual
        configuration.jobs = [settings]
        return try await runHere(configuration, console)
    }

    /// Has the daemon run it, and waits for the end.
    private func follow(_ daemon: DaemonClient, _ console: Console) async throws -> RunStatus {
        let last = try await daemon.runs(of: job, limit: 1).runs.first
        let running = last.flatMap { $0.finished == nil ? $0.id : nil }
        _ = try await daemon.runNow(job)
        var id = running
        while true {
            try await Task.sleep(for: .milliseconds(250))
            let runs = try await daemon.runs(of: job, limit: 10).runs
            id = id ?? runs.last { $0.id > last?.id ?? 0 }?.id
            if let run = runs.first(where: { $0.id == id }), run.finished != nil {
                console.progress.clear()
                return try say(run, console)
            }
            if let progress = try await daemon.status().jobs.first(where: { $0.job == job })?.progress {
                console.progress.update(
                    ProgressText(
                        activity: "\(job): \(progress.activity)",
                        entries: progress.entries,
                        bytes: progress.bytes
                    )
                )
            }
        }
    }

    private func runHere(_ configuration: DaemonConfiguration, _ console: Console) async throws -> RunStatus {
        let options = Scheduler.Options(version: Cistern.version, environment: console.environment)
        let scheduler = try Scheduler(configuration, options: options, logger: console.logger())
        let record = try await withThrowingTaskGroup(of: RunRecord?.self) { group in
            group.addTask {
                try await scheduler.run()
                return nil
            }
            group.addTask { try await scheduler.runOnce(job) }
            group.addTask {
                while true {
                    try await Task.sleep(for: .milliseconds(200))
                    guard let progress = await scheduler.progress(of: job) else { continue }
                    console.progress.update(
                        ProgressText(
                            activity: "\(job): \(progress.activity)",
                            entries: progress.entries,
                            bytes: progress.bytes
                        )
                    )
                }
            }
            var record: RunRecord?
            while record == nil, let ended = try await group.next() { record = ended }
            group.cancelAll()
            return record
        }
        console.progress.clear()
        try Task.checkCancellation()
        guard let record else { throw CancellationError() }
        return try say(RunDocument(record), console)
    }

    private func say(_ run: RunDocument, _ console: Console) throws -> RunStatus {
        if console.isJSON { try console.document(run) } else { try console.report("\(run.job): \(run.summary)") }
        switch run.outcome {
        case "succeeded": return .done
        case "different": return .different
        default:
            let message = run.error ?? run.summary
            throw CommandError(
                .jobFailed,
                text: "job \(run.job) \(run.outcome): \(message)",
                hint: "`cistern runs \(run.job)` shows its runs"
            )
        }
    }
}
