import KVModel

extension ConfigurationReader {
    /// Buckets into an archive.
    func backup(_ value: ConfigurationValue, _ title: String) -> BackupWork? {
        let keys = ["from", "buckets", "to", "follow", "commit-every", "filter", "rate", "tag"]
        let example = "write for example backup: { from: CLUSTER, buckets: [BUCKET], to: ARCHIVE }"
        guard let section = section(value, title, keys: keys, example: example) else { return nil }
        let cluster = required("from", of: section, example: "from: \(clusterNames.first ?? "CLUSTER")")
            .flatMap(cluster)
        let buckets = required("buckets", of: section, example: "buckets: [\"app-*\", sessions]").map(bucketPatterns)
        let archive = required("to", of: section, example: "to: \(archiveNames.first ?? "ARCHIVE")")
            .flatMap { reference($0, to: "archive", archiveNames) }
        let follows = section["follow"].flatMap(flag)
        let interval = section["commit-every"].flatMap {
            duration($0, in: 10_000_000...3_600_000_000_000, example: "1s")
        }
        if let stray = section["commit-every"], !section.mayHave("follow") || follows == false {
            mistake(
                stray.keyPlace,
                "commit-every says nothing without follow: true",
                "add follow: true, or leave it out"
            )
        }
        let filter = section["filter"].map(patterns) ?? []
        let rate = section["rate"].flatMap(rate)
        let tag = section["tag"].flatMap(tag)
        guard let cluster, let buckets, let archive else { return nil }
        var work = BackupWork(cluster: cluster, buckets: buckets, archive: archive)
        work.follows = follows ?? false
        work.commitEvery = interval ?? work.commitEvery
        work.filter = filter
        work.bytesPerSecond = rate
        work.tag = tag
        return work
    }

    /// One bucket kept equal to another.
    func mirror(_ value: ConfigurationValue, _ title: String, job: String) -> MirrorWork? {
        let keys = [
            "from", "to", "filter", "map", "deletes", "on-recreate", "preserve-revisions", "reconcile-every", "rate",
            "set",
        ]
        guard let (section, found) = pair(value, title, keys: keys, job: job) else { return nil }
        let resyncs = section["on-recreate"].flatMap { choice($0, Recreation.self) }
        let preserves = section["preserve-revisions"].flatMap(flag)
        let interval = section["reconcile-every"].flatMap {
            duration($0, in: 1_000_000_000...31_536_000_000_000_000, example: "6h")
        }
        let rate = section["rate"].flatMap(rate)
        let settings = section["set"].map { bucketSettings($0) } ?? []
        guard var work = found else { return nil }
        work.resyncs = resyncs == .resync
        work.preservesRevisions = preserves ?? false
        work.reconcileEvery = interval
        work.bytesPerSecond = rate
        work.settings = settings
        return work
    }

    /// One bucket compared with another, and repaired.
    func reconcile(_ value: ConfigurationValue, _ title: String, job: String) -> MirrorWork? {
        pair(value, title, keys: ["from", "to", "filter", "map", "deletes"], job: job)?.work
    }

    /// What becomes of a mirror whose source is recreated.
    private enum Recreation: String, CaseIterable {
        case stop
        case resync
    }

    /// What mirrors and comparisons have in common; without work if a part of that is wrong.
    private func pair(
        _ value: ConfigurationValue,
        _ title: String,
        keys: [String],
        job: String
    ) -> (section: ConfigurationSection, work: MirrorWork?)? {
        let example = "write for example \(value.name): { from: CLUSTER/BUCKET, to: CLUSTER/BUCKET }"
        guard let section = section(value, title, keys: keys, example: example) else { return nil }
        let source = required("from", of: section, example: "from: \(clusterNames.first ?? "CLUSTER")/BUCKET")
            .flatMap(location)
        let target = required("to", of: section, example: "to: \(clusterNames.last ?? "CLUSTER")/BUCKET")
            .flatMap(location)
        let filter = section["filter"].map(patterns) ?? []
        let mapping = section["map"].map(mapping) ?? .identity
        let deletes = section["deletes"].flatMap(flag) ?? true
        guard let source, let target else { return (section, nil) }
        if source == target, let place = section["to"]?.place {
            mistake(place, "\(title) goes from \(source.cluster)/\(source.bucket) to itself", "write another bucket")
            return (section, nil)
        }
        var work = MirrorWork(source: source, target: target)
        work.filter = filter
        work.mapping = mapping
        work.deletes = deletes
        mirrors.append(MirrorPath(job: job, place: section.place, repairs: value.name == "reconcile", work: work))
        return (section, work)
    }

    /// An archive restored into a scratch bucket.
    func drill(_ value: ConfigurationValue, _ title: String) -> DrillWork? {
        let keys = ["archive", "from", "bucket", "on", "to", "prefix", "set"]
        let example = "write for example drill: { archive: ARCHIVE, on: CLUSTER }"
        guard let section = section(value, title, keys: keys, example: example) else { return nil }
        let archive = either("archive", "from", of: section, example: "archive: \(archiveNames.first ?? "ARCHIVE")")
            .flatMap { reference($0, to: "archive", archiveNames) }
        let cluster = either("on", "to", of: section, example: "on: \(clusterNames.first ?? "CLUSTER")")
            .flatMap(cluster)
        let bucket = section["bucket"].flatMap { bucketName($0, example: "bucket: orders") }
        let prefix = section["prefix"].flatMap { bucketName($0, example: "prefix: cistern-drill-") }
        if let long = prefix, long.rawValue.utf8.count > 100, let place = section["prefix"]?.place {
            mistake(place, "prefix is longer than 100 letters", "write for example prefix: cistern-drill-")
        }
        let settings = section["set"].map { bucketSettings($0) } ?? []
        guard let archive, let cluster else { return nil }
        var work = DrillWork(archive: archive, cluster: cluster)
        work.bucket = bucket
        work.prefix = prefix?.rawValue ?? work.prefix
        work.settings = settings
        return work
    }

    /// An archive checked.
    func verify(_ value: ConfigurationValue, _ title: String) -> VerifyWork? {
        let example = "write for example verify: { archive: ARCHIVE }"
        guard let section = section(value, title, keys: ["archive", "against"], example: example) else { return nil }
        let against = section["against"].flatMap(location)
        guard
            let archive = required("archive", of: section, example: "archive: \(archiveNames.first ?? "ARCHIVE")")
                .flatMap({ reference($0, to: "archive", archiveNames) })
        else { return nil }
        var work = VerifyWork(archive: archive)
        work.against = against
        return work
    }

    /// An archive pruned.
    func prune(_ value: ConfigurationValue, _ title: String) -> PruneWork? {
        let example = "write for example prune: { archive: ARCHIVE, keep: { within: 30d } }"
        let keys = ["archive", "buckets", "keep", "compact"]
        guard let section = section(value, title, keys: keys, example: example) else { return nil }
        let archive = required("archive", of: section, example: "archive: \(archiveNames.first ?? "ARCHIVE")")
            .flatMap { reference($0, to: "archive", archiveNames) }
        let buckets =
            section["buckets"].map { list($0, example: "buckets: [orders]") }?
            .compactMap { bucketName($0, example: "buckets: [orders]") } ?? []
        let keep = required("keep", of: section, example: "keep: { within: 30d, daily: 14 }")
            .flatMap { retention($0, of: title) }
        let compacts = section["compact"].flatMap(flag) ?? false
        guard let archive, let keep else { return nil }
        var work = PruneWork(archive: archive, retention: keep)
        work.buckets = buckets
        work.compacts = compacts
        return work
    }
}

extension ConfigurationReader {
    /// The name of a cluster.
    private func cluster(_ value: ConfigurationValue) -> String? {
        if let text = value.writtenText, let slash = text.firstIndex(of: "/"),
            clusterNames.contains(String(text[..<slash]))
        {
            mistake(
                value.place,
                "\(value.name) names a cluster, and \"\(Self.shortened(text))\" is a bucket",
                "write \(text[..<slash])"
            )
            return nil
        }
        return reference(value, to: "cluster", clusterNames)
    }

    /// The value of one of two keys that mean the same.
    private func either(
        _ key: String,
        _ other: String,
        of section: ConfigurationSection,
        example: String
    ) -> ConfigurationValue? {
        if let first = section[key], let second = section[other] {
            mistake(second.keyPlace, "\(key) and \(other) of \(section.title) mean the same", "leave \(other) out")
            return first
        }
        if section.mayHave(other) { return section[other] }
        return required(key, of: section, example: example)
    }

    /// Names of buckets, and patterns of names.
    private func bucketPatterns(_ value: ConfigurationValue) -> [String] {
        list(value, example: "buckets: [\"app-*\", sessions]").compactMap { entry -> String? in
            guard let scalar = scalar(entry, example: "buckets: [\"app-*\", sessions]") else { return nil }
            let letters = scalar.text.filter { $0 != "*" && $0 != "?" }
            if letters.isEmpty { return scalar.text }
            do {
                _ = try BucketName(letters)
                return scalar.text
            } catch {
                mistake(
                    entry.place,
                    "\"\(scalar.shown)\" is neither a bucket's name nor a pattern of names",
                    "write letters, digits, - and _, with * for any of them"
                )
                return nil
            }
        }
    }

    /// A name for revisions.
    private func tag(_ value: ConfigurationValue) -> String? {
        guard let scalar = scalar(value, example: "tag: nightly-{date}") else { return nil }
        let rest = scalar.text.replacing("{date}", with: "").replacing("{time}", with: "")
        guard !rest.contains("{"), !rest.contains("}") else {
            mistake(
                value.place,
                "tag: \"\(scalar.shown)\" has braces with something else in them",
                "write {date} or {time}"
            )
            return nil
        }
        return scalar.text
    }

    /// Rules that map keys: a mapping of sources to targets.
    private func mapping(_ value: ConfigurationValue) -> KeyMapping {
        let example = "map: { \"user.>\": \"u.>\" }"
        guard let entries = entries(value, as: value.name, example: "write for example \(example)") else {
            return .identity
        }
        var mapping = KeyMapping.identity
        for entry in entries {
            guard let scalar = scalar(entry, example: example) else { continue }
            do {
                mapping = try KeyMapping(mapping.rules + [.init(source: entry.name, target: scalar.text)])
            } catch {
                mistake(
                    entry.keyPlace,
                    "\"\(Self.shortened(entry.name))\" cannot be mapped to \"\(scalar.shown)\"\(Self.reason(error, scalar))",
                    "write for example \(example)"
                )
            }
        }
        return mapping
    }

    /// Settings of a bucket: a mapping of fields to values.
    private func bucketSettings(_ value: ConfigurationValue) -> [String] {
        let example = "set: { history: 5, storage: file }"
        guard let entries = entries(value, as: value.name, example: "write for example \(example)") else { return [] }
        return entries.compactMap { bucketSetting($0, example: example) }
    }

    private func bucketSetting(_ entry: ConfigurationValue, example: String) -> String? {
        guard let scalar = scalar(entry, example: example) else { return nil }
        let setting = "\(entry.name)=\(scalar.text)"
        var probe = BucketConfiguration(name: BucketName(unchecked: "probe"))
        do {
            try probe.set(setting)
            return setting
        } catch .unknownSetting(_, let known) {
            mistake(
                entry.keyPlace,
                "\"\(Self.shortened(entry.name))\" is no setting of a bucket",
                Self.suggestion(entry.name, known, otherwise: "the settings are \(known.joined(separator: ", "))")
            )
        } catch {
            mistake(
                entry.place,
                "\(entry.name) cannot be \"\(scalar.shown)\"\(Self.reason(error, scalar))",
                "write for example \(example)"
            )
        }
        return nil
    }
}
