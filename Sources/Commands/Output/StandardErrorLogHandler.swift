import Archive
import KVModel
import Logging

/// How log lines are written.
enum LogFormat: String, CaseIterable, Sendable {
    /// For people.
    case text
    /// One JSON object a line.
    case json
}

/// Writes log events to standard error, above the progress line.
struct StandardErrorLogHandler: LogHandler {
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?
    private let format: LogFormat
    private let stream: ErrorStream

    init(logLevel: Logger.Level, format: LogFormat, stream: ErrorStream) {
        self.logLevel = logLevel
        self.format = format
        self.stream = stream
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var fields = metadata
        fields.merge(metadataProvider?.get() ?? [:]) { _, new in new }
        fields.merge(event.metadata ?? [:]) { _, new in new }
        if let error = event.error { fields["error"] = "\(error)" }
        stream.writeLine(
            Self.line(format, level: event.level, message: event.message.description, fields: fields, at: .wallClock())
        )
    }

    /// One event as a line.
    static func line(
        _ format: LogFormat,
        level: Logger.Level,
        message: String,
        fields: Logger.Metadata,
        at time: Timestamp
    ) -> String {
        switch format {
        case .text:
            let rest = fields.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
            return "\(time) \(level) \(message)\(rest)".escapedForTerminal
        case .json:
            var document: [String: JSONValue] = fields.mapValues { .string($0.description) }
            document["time"] = .string(time.description)
            document["level"] = .string(level.rawValue)
            document["message"] = .string(message)
            return JSONDocument.text(.object(document))
        }
    }
}
