import ArgumentParser
import Logging

/// How output looks; the same for every command.
struct OutputOptions: ParsableArguments, Sendable {
    /// The options as plain values.
    struct Values: Sendable, Hashable {
        var isJSON = false
        var isQuiet = false
        var colors = ColorMode.auto
        var logLevel = Logger.Level.warning
        /// Whether somebody has said what is logged.
        var isLogLevelGiven = false
        var logFormat = LogFormat.text
    }

    @Flag(name: .customLong("json"), help: "Write results as JSON, one document a line.")
    var isJSON = false

    @Flag(name: [.customShort("q"), .customLong("quiet")], help: "Say nothing but errors and data that was asked for.")
    var isQuiet = false

    @Option(help: "Colour output: auto (on terminals), always, never.")
    var colors = ColorMode.auto

    @Option(help: "Log what is at least so important: trace, debug, info, notice, warning, error, critical.")
    var logLevel: LogLevel?

    @Option(help: "Write logs as text or as json.")
    var logFormat = LogFormat.text

    @Flag(help: "Log everything that the client does with the server (the same as --log-level trace).")
    var trace = false

    /// The options as plain values.
    var values: Values {
        Values(
            isJSON: isJSON,
            isQuiet: isQuiet,
            colors: colors,
            logLevel: logLevel?.level ?? (trace ? .trace : .warning),
            isLogLevelGiven: logLevel != nil || trace,
            logFormat: logFormat
        )
    }
}

extension ColorMode: ExpressibleByArgument {}
extension LogFormat: ExpressibleByArgument {}

/// How important a log line must be to be written.
enum LogLevel: String, CaseIterable, ExpressibleByArgument, Sendable {
    case trace
    case debug
    case info
    case notice
    case warning
    case error
    case critical

    /// The logger's level.
    var level: Logger.Level {
        switch self {
        case .trace: .trace
        case .debug: .debug
        case .info: .info
        case .notice: .notice
        case .warning: .warning
        case .error: .error
        case .critical: .critical
        }
    }
}
