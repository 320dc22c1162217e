/// Why a configuration, a job or the daemon itself did not do what was asked.
public struct DaemonError: Error, Sendable, Hashable {
    /// What went wrong, for code that decides by it.
    public enum Code: Sendable, Hashable, CaseIterable {
        /// The configuration file cannot be read, or has mistakes.
        case configuration
        /// No job of the configuration has the name.
        case unknownJob
        /// Another daemon, or another process, runs the job.
        case leaseHeldByOther
        /// The lease of a running job went to somebody else, or could not be kept.
        case leaseLost
        /// The state database cannot be read or written.
        case state
        /// Another daemon has the state database.
        case stateLocked
        /// The bucket of leases cannot be made or used.
        case leases
        /// The HTTP face cannot be started, or somebody else's does not answer.
        case http
        /// Nobody could be told of a run.
        case notification
        /// It was stopped before it was done.
        case stopped
    }

    /// What went wrong.
    public let code: Code
    /// What was seen.
    public let text: String
    /// What to do about it.
    public let hint: String?

    /// An error of the daemon.
    public init(_ code: Code, text: String, hint: String? = nil) {
        self.code = code
        self.text = text
        self.hint = hint
    }
}

extension DaemonError: CustomStringConvertible {
    /// One or two sentences: what was seen, and what to do.
    public var description: String {
        hint.map { "\(text); \($0)" } ?? text
    }
}
