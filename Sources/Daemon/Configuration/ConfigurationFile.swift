import Foundation

/// A configuration file as it was read: what it says, or all that is wrong with it.
public struct ConfigurationFile: Sendable, Hashable {
    /// The file's path.
    public let path: String
    /// What it says; nil if it has mistakes.
    public let configuration: DaemonConfiguration?
    /// Every mistake, in the file's order.
    public let mistakes: [ConfigurationMistake]
    /// What somebody should look at, and what keeps nothing from working.
    public let warnings: [ConfigurationMistake]

    private static let limit = 1 << 20

    /// Reads a file, with the variables that its `${NAME}` stand for.
    public static func load(path: String, environment: [String: String]) -> ConfigurationFile {
        func unreadable(_ reason: String) -> ConfigurationFile {
            ConfigurationFile(path, .start, "the file cannot be read: \(reason)", "check the path and its permissions")
        }
        guard let handle = FileHandle(forReadingAtPath: path) else {
            return unreadable(String(cString: strerror(errno)))
        }
        let isOpenToOthers = FileAccess.isOpen(path)
        let content: Data
        do {
            content = try handle.read(upToCount: limit) ?? Data()
        } catch {
            return unreadable("it is no plain file")
        }
        guard content.count < limit else { return unreadable("it is larger than 1 MiB") }
        guard let text = String(validating: content, as: UTF8.self) else {
            let valid = String(decoding: content, as: UTF8.self).prefix { $0 != "\u{FFFD}" }
            let place = TextPlace(line: valid.count { $0.isNewline } + 1, column: 1)
            return ConfigurationFile(path, place, "the line is not UTF-8", "save the file as UTF-8")
        }
        do {
            let reader = ConfigurationReader(
                try YAMLDocument(text),
                file: path,
                isOpenToOthers: isOpenToOthers,
                environment: environment
            )
            return ConfigurationFile(path, reader.configuration(), reader.mistakes)
        } catch {
            return ConfigurationFile(path, error.place, error.text, error.hint)
        }
    }

    private init(_ path: String, _ configuration: DaemonConfiguration?, _ notes: [ConfigurationMistake]) {
        self.path = path
        mistakes = notes.filter { !$0.isWarning }
        warnings = notes.filter(\.isWarning)
        self.configuration = mistakes.isEmpty ? configuration : nil
    }

    /// A file that nothing more can be said about.
    private init(_ path: String, _ place: TextPlace, _ text: String, _ hint: String) {
        self.path = path
        configuration = nil
        mistakes = [
            ConfigurationMistake(
                file: path,
                line: place.line,
                column: place.column,
                text: text,
                hint: hint,
                isWarning: false
            )
        ]
        warnings = []
    }

    /// What the file says; throws `.configuration` with all mistakes if it has any.
    public func checked() throws(DaemonError) -> DaemonConfiguration {
        if let configuration { return configuration }
        throw DaemonError(
            .configuration,
            text: mistakes.map { "\($0)" }.joined(separator: "\n"),
            hint: "correct the file; `cistern check-config \(path)` shows the mistakes again"
        )
    }
}

extension ConfigurationReader {
    /// The whole file; nil if it is no configuration at all.
    func configuration() -> DaemonConfiguration? {
        guard let top = top(keys: ["clusters", "archives", "jobs", "daemon"]) else { return nil }
        let clusters = top["clusters"].flatMap {
            entries($0, as: "clusters", example: "write clusters: { NAME: { context: NAME } }")
        }
        let archives = top["archives"].flatMap {
            entries($0, as: "archives", example: "write archives: { NAME: { path: FILE } }")
        }
        let jobs = top["jobs"].flatMap { entries($0, as: "jobs", example: "write jobs: { NAME: { … } }") }
        // Names are known before what uses them is read, in whatever order they stand.
        clusterNames = clusters?.map(\.name) ?? []
        archiveNames = archives?.map(\.name) ?? []
        if !top.mayHave("jobs") { warn(top.place, "there are no jobs", "write jobs: { NAME: { … } }") }
        var configuration = DaemonConfiguration(path: file)
        configuration.clusters = self.clusters(clusters ?? [])
        configuration.archives = self.archives(archives ?? [])
        configuration.jobs = self.jobs(jobs ?? [])
        configuration.daemon = daemon(top["daemon"])
        checkMirrors()
        return configuration
    }
}
