import Logging
import Synchronization

/// Keeps what is logged, as lines.
final class LogCollector: Sendable {
    private let state = Mutex<[String]>([])

    /// All lines so far, `LEVEL MESSAGE FIELDS`.
    var lines: [String] { state.withLock { $0 } }

    /// The lines of warnings and of what is worse.
    var warnings: [String] {
        lines.filter { !$0.hasPrefix("info") && !$0.hasPrefix("debug") && !$0.hasPrefix("trace") }
    }

    /// A logger that writes everything here.
    func logger() -> Logger {
        Logger(label: "test") { _ in Handler(collector: self) }
    }

    private func add(_ line: String) {
        state.withLock { $0.append(line) }
    }

    private struct Handler: LogHandler {
        let collector: LogCollector
        var logLevel = Logger.Level.trace
        var metadata: Logger.Metadata = [:]

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let fields = metadata.merging(event.metadata ?? [:]) { _, new in new }
            collector.add("\(event.level) \(event.message) \(fields)")
        }
    }
}
