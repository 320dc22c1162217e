import Daemon

/// A daemon and its jobs in words.
enum SchedulerText {
    /// The jobs as a table.
    static func jobs(_ status: StatusDocument) -> Table {
        var table = Table([
            .text("Job"), .text("Work"), .text("Schedule"), .text("State"), .text("Last run"), .text("Next run"),
        ])
        for job in status.jobs {
            table.add([
                job.job, job.summary, job.schedule, state(job), last(job), job.paused ? "paused" : job.nextRun ?? "-",
            ])
        }
        return table
    }

    /// Runs as a table.
    static func runs(_ runs: [RunDocument]) -> Table {
        var table = Table([
            .number("Run"), .text("Job"), .text("Started"), .number("Took"), .text("Outcome"), .number("Entries"),
            .text("What came of it"),
        ])
        for run in runs {
            table.add([
                String(run.id), run.job, run.started,
                run.durationSeconds.map { NumberText.duration(.seconds($0)) } ?? "-",
                run.attempt > 1 ? "\(run.outcome) (try \(run.attempt))" : run.outcome, NumberText.count(run.entries),
                run.error ?? run.summary,
            ])
        }
        return table
    }

    /// A daemon in a few lines: what fails comes first.
    static func status(_ status: StatusDocument) -> [String] {
        var lines = ["daemon \(status.daemon), cistern \(status.version), since \(status.started): \(counts(status))"]
        for job in status.jobs where job.consecutiveFailures > 0 {
            let times = job.consecutiveFailures == 1 ? "" : " (\(job.consecutiveFailures) times in a row)"
            lines.append(
                "  \(job.job) fails\(times): \(job.lastRun?.error ?? job.lastRun?.summary ?? "see cistern runs")"
            )
        }
        for job in status.jobs {
            if let untold = job.untold { lines.append("  \(job.job): nobody could be told: \(untold)") }
            guard let progress = job.progress else { continue }
            lines.append("  \(job.job) runs: \(progress.activity)\(lag(progress))")
            if let warning = progress.warning { lines.append("  \(job.job) fails in part: \(warning)") }
        }
        for bucket in status.buckets where bucket.error != nil {
            lines.append("  \(bucket.cluster)/\(bucket.bucket) cannot be asked: \(bucket.error ?? "")")
        }
        for archive in status.archives where archive.error != nil {
            lines.append("  archive \(archive.archive) cannot be read: \(archive.error ?? "")")
        }
        let others = status.daemons.filter { !$0.isSelf }.map(\.name)
        if !others.isEmpty { lines.append("  other daemons: \(others.joined(separator: ", "))") }
        return lines
    }

    private static func counts(_ status: StatusDocument) -> String {
        let counts = status.counts
        let parts = [
            (counts.failing, "failing"), (counts.running, "running"), (counts.waiting, "waiting"),
            (counts.elsewhere, "elsewhere"), (counts.paused, "paused"), (counts.neverRan, "not run yet"),
        ]
        let said = parts.filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }
        return (["\(counts.jobs) job\(counts.jobs == 1 ? "" : "s")"] + said).joined(separator: ", ")
    }

    private static func state(_ job: JobDocument) -> String {
        guard let holder = job.holder, job.state == "elsewhere" else {
            return job.state.replacing("_", with: " ")
        }
        return "on \(holder)"
    }

    private static func last(_ job: JobDocument) -> String {
        guard let run = job.lastRun else { return "-" }
        return "\(run.outcome) \(run.finished ?? run.started)"
    }

    /// How far behind a job is that runs all the time.
    static func lag(_ progress: JobDocument.Progress) -> String {
        var parts: [String] = []
        if let entries = progress.lagEntries { parts.append("\(NumberText.count(entries)) entries") }
        if let seconds = progress.lagSeconds { parts.append(NumberText.duration(.seconds(seconds))) }
        return parts.isEmpty ? "" : ", \(parts.joined(separator: " and ")) behind"
    }
}
