/// What a run of the program ends with; scripts decide by it, so the numbers never change.
enum RunStatus: Int32, CaseIterable, Sendable {
    /// Done.
    case done = 0
    /// The work failed: the message says what, why, what next.
    case failed = 1
    /// A comparison found differences.
    case different = 3
    /// The command line is wrong.
    case usage = 64
    /// The server cannot be reached or refuses us.
    case unreachable = 69
    /// The target exists, or would be overwritten.
    case exists = 73
    /// Another run holds the archive or the bucket, or the bucket does not come to rest: try again later.
    case busy = 75
    /// Stopped by SIGINT, at a checkpoint.
    case interrupted = 130
    /// Stopped by SIGTERM, at a checkpoint.
    case terminated = 143

    /// The one of two that a run of several parts ends with: a stop outweighs all, then any failure over "try again".
    func worse(_ other: RunStatus) -> RunStatus {
        severity >= other.severity ? self : other
    }

    private var severity: Int {
        switch self {
        case .done: 0
        case .different: 1
        case .busy: 2
        case .exists: 3
        case .unreachable: 4
        case .usage: 5
        case .failed: 6
        case .interrupted, .terminated: 7
        }
    }
}
