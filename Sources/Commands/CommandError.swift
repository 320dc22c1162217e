/// What goes wrong in the command line itself; what the layers below throw is reported as theirs.
struct CommandError: Error, Hashable, Sendable {
    /// What went wrong.
    enum Code: Hashable, Sendable {
        /// The arguments do not fit together, found after parsing.
        case usage
        /// Whoever read standard output has gone.
        case outputClosed
        /// Standard output cannot be written.
        case outputFailed
        /// A file that should be written exists.
        case outputExists
        /// Standard input or a file named in the arguments cannot be read.
        case inputFailed
        /// A file that shall be made exists already.
        case fileExists
        /// The key has no value at the point, or none at all.
        case keyNotFound
        /// No bucket fits a pattern, or the archive holds none that does.
        case nothingMatches
        /// A setting that the server does not change in place.
        case cannotChange
        /// A job that was to be run failed, or was stopped.
        case jobFailed
        /// The user said no.
        case declined
    }

    /// What went wrong.
    let code: Code
    /// What was seen.
    let text: String
    /// What to do about it.
    let hint: String?

    /// An error of the command line.
    init(_ code: Code, text: String = "", hint: String? = nil) {
        self.code = code
        self.text = text
        self.hint = hint
    }
}

extension CommandError: CustomStringConvertible {
    /// One or two sentences.
    var description: String {
        hint.map { "\(text); \($0)" } ?? text
    }
}
