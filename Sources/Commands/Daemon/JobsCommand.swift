import ArgumentParser
import Daemon

/// `cistern jobs`: the jobs of a daemon, paused and resumed.
struct JobsCommand: CisternCommand {
    static let configuration = CommandConfiguration(
        commandName: "jobs",
        abstract: "List the jobs of a running daemon; pause and resume them.",
        discussion: """
            A paused job begins no runs until it is resumed, on every daemon that shares it; `cistern run` runs it all \
            the same.

            Examples:
              cistern jobs
              cistern jobs --pause nightly
              cistern jobs --resume nightly
            """
    )

    @Option(help: "Begin no more runs of this job; may be repeated.")
    var pause: [String] = []

    @Option(help: "Let this job run by its schedule again; may be repeated.")
    var resume: [String] = []

    @OptionGroup(title: "Configuration")
    var file: ConfigurationOptions

    @OptionGroup(title: "Output")
    var output: OutputOptions

    func perform(_ console: Console) async throws -> RunStatus {
        let configuration = try file.load(console)
        for job in pause + resume { _ = try configuration.job(job) }
        try await DaemonClient.withClient(of: file.http(configuration)) { daemon in
            for job in pause { _ = try await daemon.pause(job) }
            for job in resume { _ = try await daemon.resume(job) }
            let status = try await daemon.status()
            if console.isJSON { return try console.document(JobListDocument(jobs: status.jobs)) }
            try console.data(SchedulerText.jobs(status))
        }
        return .done
    }
}
