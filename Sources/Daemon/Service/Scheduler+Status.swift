import Archive
import JetStream
import KVModel
import KeyValue
import Logging
import Replication

/// What the daemon looks at from time to time, to show it.
extension Scheduler {
    /// Measures how fast runs are, and how far behind.
    func takeSamples() async throws {
        var before: [JobMachine.Run.ID: RunProgress] = [:]
        while true {
            try await Task.sleep(for: options.sampleInterval)
            let now = Self.now()
            var samples: [JobSample] = []
            var measured: [JobMachine.Run.ID: RunProgress] = [:]
            for (id, run) in running {
                let (progress, last) = (run.progress, before[id])
                measured[id] = progress
                let seconds = options.sampleInterval / .seconds(1)
                samples.append(
                    JobSample(
                        job: run.settings.name,
                        time: now,
                        lagEntries: progress.lagEntries,
                        lagTime: progress.lagTime,
                        entries: Double(progress.entries.subtractingClamped(last?.entries ?? 0)) / seconds,
                        bytes: Double(progress.bytes.subtractingClamped(last?.bytes ?? 0)) / seconds
                    )
                )
            }
            before = measured
            await watchRuns(at: now)
            do {
                try writeLeftEnds()
                try state.record(samples)
                for job in Set(samples.map(\.job)) { try readSamples(of: job, at: now) }
            } catch {
                logger.error("measurements are not written down", metadata: ["reason": "\(error)"])
            }
        }
    }

    /// Reads what is drawn of a job: an hour, or the last day if nothing was measured in the hour.
    func readSamples(of job: String, at now: Int64) throws {
        let hour: Int64 = 3_600_000_000_000
        var found = try state.samples(job: job, since: now - hour)
        if found.isEmpty { found = try state.samples(job: job, since: now - 24 * hour) }
        samples[job] = found.suffix(360).map { sample in
            JobView.Sample(
                time: sample.time,
                lagEntries: sample.lagEntries,
                lagTime: sample.lagTime,
                entriesPerSecond: sample.entries,
                bytesPerSecond: sample.bytes
            )
        }
    }

    /// Looks at the buckets and archives that jobs are about.
    func watchStatus() async throws {
        while true {
            let configuration = configuration
            async let archives = archiveStatus(configuration)
            async let buckets = bucketStatus(configuration)
            (archiveViews, self.buckets) = (await archives, await buckets)
            try Task.checkCancellation()
            try await Task.sleep(for: options.watchInterval)
        }
    }

    private func bucketStatus(_ configuration: DaemonConfiguration) async -> [BucketView] {
        let wanted = configuration.watchedBuckets
        let known = buckets
        let leases = configuration.daemon.leases
        return await withTaskGroup(of: [BucketView].self) { group in
            for (cluster, names) in wanted {
                group.addTask { [connections] in
                    do {
                        let account = try await connections.buckets(of: cluster)
                        let choice = try await BucketChoice(
                            names,
                            in: account,
                            excluding: leases?.cluster == cluster ? leases?.buckets ?? [] : []
                        )
                        let now = Self.now()
                        let seen = choice.buckets.map { BucketView($0, cluster: cluster, seen: now) }
                        return choice.silent.reduce(into: seen) { views, silent in
                            let name = silent.key.rawValue
                            let before = known.filter { $0.cluster == cluster && $0.name == name }
                            views += Self.unreached([name], of: cluster, before, "\(silent.value)")
                        }
                    } catch {
                        return Self.unreached(names, of: cluster, known, "\(error)")
                    }
                }
            }
            var views: [BucketView] = []
            for await found in group { views += found }
            return views.sorted { ($0.cluster, $0.name) < ($1.cluster, $1.name) }
        }
    }

    /// What is shown of buckets that cannot be asked for: of each the reason why there is nothing newer.
    private static func unreached(
        _ names: [String],
        of cluster: String,
        _ known: [BucketView],
        _ reason: String
    ) -> [BucketView] {
        // What was known stays, with its time.
        var views = known.filter { $0.cluster == cluster }
        for name in names where !GlobPattern(text: name).isPattern && !views.contains(where: { $0.name == name }) {
            views.append(BucketView(cluster: cluster, name: name, seen: nil))
        }
        for index in views.indices { views[index].error = reason }
        return views
    }

    private func archiveStatus(_ configuration: DaemonConfiguration) async -> [ArchiveView] {
        var views: [ArchiveView] = []
        for (name, settings) in configuration.archives.sorted(by: { $0.key < $1.key }) {
            var view = ArchiveView(name: name, path: settings.path)
            do {
                if let found = try await archives.status(name) {
                    view.bytes = found.bytes
                    view.buckets = found.buckets
                }
            } catch {
                view.error = "\(error)"
            }
            views.append(view)
        }
        return views
    }
}

extension BucketView {
    init(_ bucket: Bucket, cluster: String, seen: Int64) {
        let configuration = bucket.configuration
        self.init(
            cluster: cluster,
            name: bucket.name.rawValue,
            seen: seen,
            values: bucket.info.state.messages,
            bytes: bucket.info.state.bytes,
            history: configuration.history,
            ttl: configuration.ttl,
            replicas: configuration.replicas,
            storage: configuration.storage,
            isCompressed: configuration.isCompressed,
            maximumBytes: configuration.maximumBytes,
            lastRevision: bucket.info.state.lastSequence
        )
    }
}

extension ArchiveSlots {
    /// How large an archive is, and how far it holds which buckets; nil if it is not there yet.
    func status(_ name: String) async throws -> (bytes: UInt64, buckets: [ArchiveView.Content])? {
        guard ArchiveReader.isPresent(path: try path(name)) else { return nil }
        let reader = try reader(name)
        return try await onOwnThread { _ in
            let summary = try reader.summary()
            let buckets = summary.buckets.map { bucket in
                ArchiveView.Content(
                    cluster: bucket.incarnation.cluster,
                    bucket: bucket.incarnation.bucket.rawValue,
                    consistentRevision: bucket.checkpoint?.consistentRevision,
                    consistentTime: bucket.lastTime?.nanoseconds
                )
            }
            return (UInt64(clamping: summary.fileSize), buckets)
        }
    }
}

extension DaemonConfiguration {
    /// The buckets that jobs read or write, names and patterns, by cluster.
    var watchedBuckets: [String: [String]] {
        var wanted: [String: [String]] = [:]
        func add(_ location: BucketLocation) {
            wanted[location.cluster, default: []].append(location.bucket.rawValue)
        }
        for job in jobs {
            switch job.work {
            case .backup(let work): wanted[work.cluster, default: []] += work.buckets
            case .mirror(let work), .reconcile(let work):
                add(work.source)
                add(work.target)
            case .verify(let work): if let location = work.against { add(location) }
            case .drill, .prune: break
            }
        }
        return wanted
    }
}

extension LeaseSettings {
    /// The buckets that daemons work together by: no pattern of a job means them.
    var buckets: Set<BucketName> {
        Set(
            [bucket, bucket + "-jobs"].compactMap { name in
                // A name that is none names no bucket.
                do { return try BucketName(name) } catch { return nil }
            }
        )
    }
}

extension UInt64 {
    /// The difference, or 0 if there is none.
    func subtractingClamped(_ other: UInt64) -> UInt64 { self > other ? self - other : 0 }
}
