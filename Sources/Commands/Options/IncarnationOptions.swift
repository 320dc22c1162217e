import Archive
import ArgumentParser
import KVModel

/// Which bucket of an archive a command looks at.
struct IncarnationOptions: ParsableArguments, Sendable {
    @Option(help: "The bucket; not needed if the archive holds one only.")
    var bucket: BucketName?

    @Option(help: "The cluster it was captured from, if the archive has buckets of that name from several.")
    var cluster: String?

    @Option(help: "The life of a recreated bucket: its creation time as `cistern list` shows it. Default: the newest.")
    var created: String?

    /// Whether one was asked for.
    var isGiven: Bool { bucket != nil || cluster != nil || created != nil }

    /// Finds the one incarnation that is meant.
    func choose(in reader: ArchiveReader) throws -> Incarnation {
        try Self.choose(from: try reader.incarnations(), bucket: bucket, cluster: cluster, created: created)
    }

    /// Finds all lives of the bucket that is meant, oldest first; the one that --created names, if it does.
    func chooseAll(in reader: ArchiveReader) throws -> [Incarnation] {
        let all = try reader.incarnations()
        let chosen = try Self.choose(from: all, bucket: bucket, cluster: cluster, created: created)
        guard created == nil else { return [chosen] }
        return all.filter { $0.bucket == chosen.bucket && $0.cluster == chosen.cluster }
            .sorted { $1.isLater(than: $0) }
    }

    /// Chooses among an archive's incarnations: pure.
    static func choose(
        from all: [Incarnation],
        bucket: BucketName?,
        cluster: String?,
        created: String?
    ) throws -> Incarnation {
        let fitting = all.filter { incarnation in
            (bucket == nil || incarnation.bucket == bucket)
                && (cluster == nil || incarnation.cluster == cluster)
                && (created == nil || sameTime(incarnation.created, created ?? ""))
        }
        guard let first = fitting.first else { throw nothing(all, bucket, cluster, created) }
        let buckets = Set(fitting.map(\.bucket)).sorted()
        guard buckets.count == 1 else {
            let names = buckets.map(\.rawValue).joined(separator: ", ")
            throw CommandError(
                .usage,
                text: "the archive holds several buckets: \(names)",
                hint: "say which with --bucket"
            )
        }
        let clusters = Set(fitting.map(\.cluster)).sorted()
        guard clusters.count == 1 else {
            throw CommandError(
                .usage,
                text: "the archive holds bucket \(first.bucket) from several clusters: "
                    + clusters.joined(separator: ", "),
                hint: "say which with --cluster"
            )
        }
        return fitting.reduce(first) { $1.isLater(than: $0) ? $1 : $0 }
    }

    private static func sameTime(_ left: String, _ right: String) -> Bool {
        left == right || Timestamp(rfc3339: left).map { $0 == Timestamp(rfc3339: right) } ?? false
    }

    private static func nothing(
        _ all: [Incarnation],
        _ bucket: BucketName?,
        _ cluster: String?,
        _ created: String?
    ) -> CommandError {
        guard !all.isEmpty else {
            return CommandError(
                .nothingMatches,
                text: "the archive holds no bucket yet",
                hint: "`cistern backup BUCKET --archive FILE` brings one in"
            )
        }
        var wanted = bucket.map { "bucket \($0)" } ?? "bucket"
        if let cluster { wanted += " of cluster \(cluster)" }
        if let created { wanted += " created \(created)" }
        let known = Set(all.map { "\($0.cluster)/\($0.bucket)" }).sorted().joined(separator: ", ")
        return CommandError(
            .nothingMatches,
            text: "the archive holds no \(wanted)",
            hint: "it holds \(known); `cistern list` shows more"
        )
    }
}
