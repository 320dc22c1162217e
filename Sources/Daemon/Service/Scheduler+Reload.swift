import Logging

extension Scheduler {
    /// Takes over a configuration that was read again; runs of jobs that did not change go on undisturbed.
    public func reload(_ new: DaemonConfiguration) async {
        let old = configuration
        // A page, a state database and a bucket of leases are for life.
        var daemon = new.daemon
        (daemon.http, daemon.state, daemon.leases) = (old.daemon.http, old.daemon.state, old.daemon.leases)
        if daemon != new.daemon {
            logger.warning("daemon.http, daemon.state and daemon.leases change only when the daemon is started again")
        }
        configuration = new
        configuration.daemon = daemon
        if let cluster = daemon.leases?.cluster, new.clusters[cluster] == nil {
            logger.warning(
                "the cluster of the leases stays until the daemon is started again",
                metadata: ["cluster": "\(cluster)"]
            )
            configuration.clusters[cluster] = old.clusters[cluster]
        }
        await archives.reload(new.archives)
        var known: [String: JobMachine.History] = [:]
        for job in new.jobs where !old.jobs.contains(where: { $0.name == job.name }) {
            do {
                let remembered = try state.jobState(job.name)
                known[job.name] = .init(lastDue: remembered.lastDue, isPaused: remembered.isPaused)
                histories[job.name] = try JobHistory(of: job.name, in: state)
            } catch {
                logger.error("nothing known of a job", metadata: ["job": "\(job.name)", "reason": "\(error)"])
            }
        }
        let before = Set(running.values.map(\.run.job))
        leases?.keeper.candidates = Set(new.jobs.map(\.name)).union(before)
        perform(
            machine.reload(
                new.jobs.map { JobMachine.Job($0, in: configuration) },
                limits: JobMachine.Limits(configuration),
                histories: known,
                at: Self.now()
            )
        )
        dismissWaiters()
        // Runs that use what has changed were told to stop: they are not cut off before.
        await connections.reload(configuration.clusters)
        logger.notice("the configuration was read again", metadata: ["jobs": "\(new.jobs.count)"])
    }
}
