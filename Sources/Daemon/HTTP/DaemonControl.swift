/// What the HTTP face asks of the daemon behind it, and tells it to do.
///
/// Every call is quick: it answers from what the daemon knows already and never waits for a cluster.
public protocol DaemonControl: Sendable {
    /// Everything that can be shown, as it is now.
    func view() async throws -> DaemonView

    /// Runs, newest first, at most `limit`: of one job or of all, from the one before the id `before` on.
    func runs(of job: String?, before: Int64?, limit: Int) async throws -> [RunRecord]

    /// Begins a run as soon as there is room for it; `DaemonError.leaseHeldByOther` if another daemon has the job.
    func runNow(_ job: String) async throws

    /// Begins no more runs of a job until it is resumed; one that goes on comes to its end.
    func pause(_ job: String) async throws

    /// Lets a paused job run by its schedule again.
    func resume(_ job: String) async throws

    /// Whether the daemon can do its work.
    func readiness() async -> Readiness
}

/// Whether a daemon can do its work.
public enum Readiness: Sendable, Hashable {
    /// Every cluster that was needed so far is connected, and so are the leases if there are any.
    case ready
    /// It cannot yet, or not any more; each reason is a sentence.
    case notReady([String])
}
