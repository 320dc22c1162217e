/// A failure as it is told: what on what and why, what to do about it, and what the program ends with.
struct Failure: Sendable, Hashable {
    /// What failed, on what, and why.
    var message: String
    /// What to do about it.
    var hint: String?
    /// What the program ends with.
    var status: RunStatus
    /// Whether this is only the end of work that was asked to stop.
    var isStop = false
    /// Whether that end leaves something to say of its own: where it stands, and what to do next.
    var isToldWhenStopped = false
    /// Whether there is nothing to say, and nobody to say it to.
    var isSilent = false

    init(message: String, hint: String? = nil, status: RunStatus) {
        self.message = message
        self.hint = hint
        self.status = status
    }
}
