import ArgumentParser
import Daemon
import Foundation
import Logging
import ServiceLifecycle

/// `cistern serve`: the scheduler and its page.
struct ServeCommand: CisternCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Run the jobs of a configuration file by their schedules, with a status page.",
        discussion: """
            Runs until it is stopped: SIGTERM and SIGINT bring every run to a checkpoint within daemon.stop-within, and \
            the next start goes on from there. SIGHUP reads the file again; runs of jobs that did not change go on, and \
            a file with mistakes changes nothing.

            Examples:
              cistern serve --config cistern.yaml
              cistern serve --config cistern.yaml --name left --log-format json
            """
    )
    static let stopsAtCheckpoint = true

    @OptionGroup(title: "Configuration")
    var file: ConfigurationOptions

    @Option(help: "What this daemon is called among those that share its leases (default: the machine's name).")
    var name: String?

    @OptionGroup(title: "Output")
    var output: OutputOptions

    func validate() throws {
        if let name, name.isEmpty { throw ValidationError("--name needs a name.") }
    }

    func perform(_ console: Console) async throws -> RunStatus {
        let configuration = try file.load(console)
        let logger = console.serviceLogger()
        var options = Scheduler.Options(version: Cistern.version, environment: console.environment)
        if let name { options.name = name }
        let scheduler = try Scheduler(configuration, options: options, logger: logger)
        var services: [ServiceGroupConfiguration.ServiceConfiguration] = [
            .init(service: scheduler, successTerminationBehavior: .gracefullyShutdownGroup)
        ]
        if let http = configuration.daemon.http {
            let face = try HTTPFace(http, control: scheduler, logger: logger)
            logger.notice("the status page is at \(face.url)")
            services.append(.init(service: face, successTerminationBehavior: .gracefullyShutdownGroup))
        }
        var quiet = logger
        // What it says of services that come and go is said by them.
        quiet.logLevel = max(quiet.logLevel, .warning)
        let group = ServiceGroup(configuration: .init(services: services, logger: quiet))
        let reload = reloading(scheduler, console, logger)
        defer { reload.cancel() }
        // In a task of its own: a stop is graceful, and a cancellation would be none.
        let serving = Task { try await group.run() }
        try await withTaskCancellationHandler {
            try await serving.value
        } onCancel: {
            Task { await group.triggerGracefulShutdown() }
        }
        try Task.checkCancellation()
        return .done
    }

    /// Reads the file again at every SIGHUP.
    private func reloading(
        _ scheduler: Scheduler,
        _ console: Console,
        _ logger: Logger
    ) -> any DispatchSourceSignal {
        signal(SIGHUP, SIG_IGN)
        let source = DispatchSource.makeSignalSource(signal: SIGHUP, queue: .global())
        source.setEventHandler {
            do {
                let configuration = try file.load(console)
                Task { await scheduler.reload(configuration) }
            } catch {
                logger.error("the configuration stays as it was: \(Failure(error).message)")
            }
        }
        source.activate()
        return source
    }
}

extension Console {
    /// A logger for what runs for long: without `--log-level` it says what begins and ends.
    func serviceLogger() -> Logger {
        var logger = logger()
        if !options.isLogLevelGiven { logger.logLevel = options.isQuiet ? .error : .info }
        return logger
    }
}
