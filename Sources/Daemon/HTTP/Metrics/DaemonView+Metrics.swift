extension DaemonView {
    /// Everything that is measured, in the text format of Prometheus.
    func metrics(isReady: Bool) -> String {
        var text = MetricsText()
        addDaemon(to: &text, isReady: isReady)
        addRuns(to: &text)
        addSchedule(to: &text)
        addBuckets(to: &text)
        addArchives(to: &text)
        return text.text
    }

    private func addDaemon(to text: inout MetricsText, isReady: Bool) {
        text.add(
            "cistern_build_info",
            .gauge,
            "The version of the running program; always 1.",
            [(["version": version, "daemon": name], 1)]
        )
        text.add(
            "cistern_start_time_seconds",
            .gauge,
            "When the daemon started, in seconds since 1970.",
            [([:], TimeText.seconds(started))]
        )
        text.add("cistern_ready", .gauge, "1 if the daemon can do its work.", [([:], isReady ? 1 : 0)])
        text.add(
            "cistern_leases_held",
            .gauge,
            "How many jobs' leases a daemon holds.",
            daemons.map { (["holder": $0.name], Double($0.jobs.count)) }
        )
        text.add("cistern_daemons_alive", .gauge, "How many daemons share the leases.", [([:], Double(daemons.count))])
    }

    private func addRuns(to text: inout MetricsText) {
        text.add(
            "cistern_job_runs_total",
            .counter,
            "Runs that came to an end, by what came of them.",
            jobs.flatMap { job -> [(labels: KeyValuePairs<String, String>, value: Double?)] in
                [
                    (["job": job.name, "outcome": "succeeded"], Double(job.totals.succeeded)),
                    (["job": job.name, "outcome": "failed"], Double(job.totals.failed)),
                    (["job": job.name, "outcome": "stopped"], Double(job.totals.stopped)),
                    (["job": job.name, "outcome": "different"], Double(job.totals.different)),
                ]
            }
        )
        perJob(&text, "entries_total", .counter, "Entries moved or compared by all runs.") { Double($0.totals.entries) }
        perJob(&text, "bytes_total", .counter, "Bytes moved or compared by all runs.") { Double($0.totals.bytes) }
        perJob(&text, "last_run_timestamp_seconds", .gauge, "When the last run began, in seconds since 1970.") {
            $0.lastRun.map { TimeText.seconds($0.started) }
        }
        perJob(&text, "last_run_duration_seconds", .gauge, "How long the last run took.") {
            $0.lastRun?.duration.map(TimeText.seconds)
        }
        perJob(&text, "last_success_timestamp_seconds", .gauge, "When a run last ended well, in seconds since 1970.") {
            $0.lastSuccess.map(TimeText.seconds)
        }
        perJob(&text, "consecutive_failures", .gauge, "Runs that failed since one ended well.") {
            Double($0.consecutiveFailures)
        }
    }

    private func addSchedule(to text: inout MetricsText) {
        perJob(&text, "next_run_timestamp_seconds", .gauge, "When the job is due next, in seconds since 1970.") {
            $0.nextRun.map(TimeText.seconds)
        }
        perJob(&text, "running", .gauge, "1 if a run goes on here.") { $0.runningSince == nil ? 0 : 1 }
        perJob(&text, "paused", .gauge, "1 if the job is paused.") { $0.isPaused ? 1 : 0 }
        text.add(
            "cistern_job_state",
            .gauge,
            "1 for the state that the job is in.",
            jobs.flatMap { job in
                JobView.State.allCases.map { (["job": job.name, "state": $0.rawValue], $0 == job.state ? 1 : 0) }
            }
        )
        perJob(&text, "lag_entries", .gauge, "Entries that wait to be moved, of a job that runs all the time.") {
            $0.progress?.lagEntries.map { Double($0) }
        }
        perJob(&text, "lag_seconds", .gauge, "How old the newest entry is that was not moved yet.") {
            $0.progress?.lagTime.map(TimeText.seconds)
        }
        perJob(&text, "entries_per_second", .gauge, "Entries that the run that goes on moves or compares a second.") {
            $0.runningSince == nil ? nil : $0.samples.last?.entriesPerSecond
        }
    }

    private func addBuckets(to text: inout MetricsText) {
        perBucket(&text, "up", "1 if the status of a watched bucket can be had; the others are the last known.") {
            $0.error == nil && $0.seen != nil ? 1 : 0
        }
        let known: (@escaping (BucketView) -> Double) -> (BucketView) -> Double? = { value in
            { $0.seen == nil ? nil : value($0) }
        }
        perBucket(&text, "values", "Entries that the bucket holds.", known { Double($0.values) })
        perBucket(&text, "bytes", "Bytes that the bucket holds.", known { Double($0.bytes) })
        perBucket(&text, "history", "Entries that the bucket keeps of each key.", known { Double($0.history) })
        perBucket(
            &text,
            "ttl_seconds",
            "How long the bucket keeps an entry; 0 for ever.",
            known { TimeText.seconds($0.ttl) }
        )
        perBucket(&text, "replicas", "On how many servers the bucket is kept.", known { Double($0.replicas) })
        perBucket(
            &text,
            "last_revision",
            "The revision of the bucket's newest entry.",
            known { Double($0.lastRevision) }
        )
    }

    private func addArchives(to text: inout MetricsText) {
        text.add(
            "cistern_archive_bytes",
            .gauge,
            "The size of an archive's files.",
            archives.map { (["archive": $0.name], Double($0.bytes)) }
        )
        text.add(
            "cistern_archive_up",
            .gauge,
            "1 if an archive can be read.",
            archives.map { (["archive": $0.name], $0.error == nil ? 1 : 0) }
        )
        text.add(
            "cistern_archive_consistent_revision",
            .gauge,
            "The newest revision at which the archive holds the bucket exactly as it was.",
            perContent { $0.consistentRevision.map { Double($0) } }
        )
        text.add(
            "cistern_archive_consistent_timestamp_seconds",
            .gauge,
            "When the bucket was at that revision, in seconds since 1970.",
            perContent { $0.consistentTime.map(TimeText.seconds) }
        )
    }

    private func perJob(
        _ text: inout MetricsText,
        _ name: String,
        _ kind: MetricsText.Kind,
        _ help: String,
        _ value: (JobView) -> Double?
    ) {
        text.add("cistern_job_" + name, kind, help, jobs.map { (["job": $0.name], value($0)) })
    }

    private func perBucket(
        _ text: inout MetricsText,
        _ name: String,
        _ help: String,
        _ value: (BucketView) -> Double?
    ) {
        text.add(
            "cistern_bucket_" + name,
            .gauge,
            help,
            buckets.map { (["cluster": $0.cluster, "bucket": $0.name], value($0)) }
        )
    }

    private func perContent(
        _ value: (ArchiveView.Content) -> Double?
    ) -> [(labels: KeyValuePairs<String, String>, value: Double?)] {
        archives.flatMap { archive in
            archive.buckets.map {
                (["archive": archive.name, "cluster": $0.cluster, "bucket": $0.bucket], value($0))
            }
        }
    }
}
