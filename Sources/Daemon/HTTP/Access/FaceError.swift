import HTTPTypes
import Hummingbird

/// What a client is told that does not get what it asked for.
struct FaceError: Error, Sendable {
    var status: HTTPResponse.Status
    /// A stable word for programs.
    var code: String
    /// What was seen.
    var text: String
    /// What to do about it.
    var hint: String?
    /// The methods that the path knows, if it does not know the request's.
    var allow: String?

    init(_ status: HTTPResponse.Status, _ code: String, _ text: String, _ hint: String? = nil) {
        self.status = status
        self.code = code
        self.text = text
        self.hint = hint
    }

    /// What became of something that the daemon was told to do.
    init(_ error: DaemonError) {
        switch error.code {
        case .unknownJob: self.init(.notFound, "unknown_job", error.text, error.hint)
        case .leaseHeldByOther: self.init(.conflict, "held_by_other", error.text, error.hint)
        case .leaseLost: self.init(.conflict, "lease_lost", error.text, error.hint)
        case .stopped: self.init(.serviceUnavailable, "stopping", error.text, error.hint)
        case .state, .stateLocked: self.init(.serviceUnavailable, "state_unavailable", error.text, error.hint)
        case .configuration, .http, .notification, .leases, .unreachable:
            self.init(.internalServerError, "internal", error.text, error.hint)
        }
    }

    static func unknownJob(_ name: String) -> Self {
        Self(.notFound, "unknown_job", "there is no job \(name)", "GET /api/v1/jobs lists the jobs")
    }
}
