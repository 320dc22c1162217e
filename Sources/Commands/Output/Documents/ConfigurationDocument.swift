import Daemon
import KVModel
import Schedule

/// A configuration file as JSON: what it says, or what is wrong with it.
struct ConfigurationDocument: Encodable {
    /// Something that is wrong, or to be looked at.
    struct Note: Encodable {
        var line: Int
        var column: Int
        var text: String
        var hint: String

        init(_ mistake: ConfigurationMistake) {
            line = mistake.line
            column = mistake.column
            text = mistake.text
            hint = mistake.hint
        }
    }

    /// A job.
    struct Job: Encodable {
        var name: String
        var line: Int
        var kind: String
        var schedule: String
        var nextRun: String?

        init(_ job: JobSettings, now: Timestamp) {
            name = job.name
            line = job.line
            kind = job.kind
            schedule = "\(job.schedule)"
            nextRun = job.schedule.next(after: now.nanoseconds).map { Timestamp(nanoseconds: $0).description }
        }
    }

    var file: String
    var valid: Bool
    var clusters: [String]
    var archives: [String]
    var jobs: [Job]
    var mistakes: [Note]
    var warnings: [Note]

    init(_ checked: ConfigurationFile, now: Timestamp) {
        file = checked.path
        valid = checked.configuration != nil
        clusters = checked.configuration?.clusters.keys.sorted() ?? []
        archives = checked.configuration?.archives.keys.sorted() ?? []
        jobs = checked.configuration?.jobs.map { Job($0, now: now) } ?? []
        mistakes = checked.mistakes.map(Note.init)
        warnings = checked.warnings.map(Note.init)
    }
}
