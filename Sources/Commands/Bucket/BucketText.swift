import JetStream
import KVModel
import KeyValue
import Replication

/// What is said of a bucket.
enum BucketText {
    /// All that `info` says, section by section.
    static func lines(_ bucket: Bucket, _ console: Console) -> [String] {
        let document = BucketDocument(bucket)
        var lines = [console.styled("Information for Key-Value bucket \(bucket.name)".escapedForTerminal, .bold)]
        func add(_ title: String, _ fields: FieldList) {
            guard !fields.fields.isEmpty else { return }
            lines += ["", console.styled("\(title):", .bold), ""] + fields.lines(indent: 2)
        }
        add("Configuration", configuration(bucket, document))
        if let mirror = document.mirror {
            var fields = FieldList()
            fields.add("Origin bucket", mirror.bucket ?? mirror.stream)
            addState(of: mirror, to: &fields)
            add("Mirror", fields)
        }
        var sources = FieldList()
        for source in document.sources ?? [] {
            sources.add("Source bucket", source.bucket ?? source.stream)
            addState(of: source, to: &sources)
        }
        add("Sources", sources)
        var metadata = FieldList()
        for (name, value) in document.metadata.sorted(by: { $0.key < $1.key }) {
            metadata.add(name.escapedForTerminal, value)
        }
        add("Metadata", metadata)
        if let cluster = document.cluster { add("Cluster", Self.cluster(cluster)) }
        return lines
    }

    private static func configuration(_ bucket: Bucket, _ document: BucketDocument) -> FieldList {
        let (configuration, state) = (bucket.configuration, bucket.info.state)
        var fields = FieldList()
        fields.add("Bucket name", bucket.name.rawValue)
        fields.add("Description", configuration.description.isEmpty ? nil : configuration.description)
        fields.add("Created", bucket.info.created)
        fields.add("History kept", SettingsText.history(configuration.history))
        fields.add("Entries stored", NumberText.count(state.messages))
        fields.add("Keys, deleted ones too", document.keys.map { NumberText.count($0) })
        fields.add("Revisions", state.messages == 0 ? "none" : "\(state.firstSequence) to \(state.lastSequence)")
        fields.add("Bucket size", NumberText.bytes(state.bytes))
        fields.add("Maximum bucket size", NumberText.bytes(configuration.maximumBytes))
        fields.add("Maximum value size", NumberText.bytes(configuration.maximumValueSize))
        fields.add("Maximum age", configuration.ttl == 0 ? "unlimited" : SettingsText.ttl(configuration.ttl))
        fields.add("Per-key TTL", configuration.allowsEntryTTL ? "supported" : "not supported")
        if configuration.limitMarkerTTL > 0 {
            fields.add("Limit markers", SettingsText.ttl(configuration.limitMarkerTTL))
        }
        fields.add("Backing store", document.backingStore)
        fields.add("JetStream stream", bucket.info.name)
        fields.add("Storage", configuration.storage)
        fields.add("Compressed", configuration.isCompressed ? "yes" : "no")
        fields.add("Replicas", String(configuration.replicas))
        fields.add("Placed in cluster", document.placement?.cluster)
        if let tags = document.placement?.tags, !tags.isEmpty {
            fields.add("Placed on servers with tags", tags.joined(separator: ", "))
        }
        if let republish = document.republish {
            let name = republish.headersOnly ? "Republishing headers" : "Republishing"
            fields.add(name, "\(republish.source) to \(republish.destination)")
        }
        if let marker = RestoreMarker(configuration) {
            fields.add("Unfinished", "a restore of \(marker.source) that did not finish; run it again")
        }
        return fields
    }

    private static func addState(of origin: OriginDocument, to fields: inout FieldList) {
        fields.add("External API", origin.externalApi)
        fields.add("Filter", origin.filter)
        fields.add("From revision", origin.startRevision.map { String($0) })
        fields.add("From time", origin.startTime)
        for transform in origin.transforms ?? [] {
            fields.add("Renaming", "\(transform.source) to \(transform.destination)")
        }
        fields.add("Last seen", seen(origin.lastSeenSeconds))
        fields.add("Lag", origin.lag.map { NumberText.count($0) })
        fields.add("Error", origin.error)
    }

    private static func cluster(_ cluster: ClusterDocument) -> FieldList {
        var fields = FieldList()
        fields.add("Name", cluster.name)
        fields.add("Leader", cluster.leader ?? "none")
        for replica in cluster.replicas { fields.add("Replica", text(replica)) }
        return fields
    }

    /// A replica on one line: `n2, current, seen 120ms ago`.
    static func text(_ replica: ClusterDocument.Replica) -> String {
        var parts = [replica.name, replica.isCurrent ? "current" : "outdated"]
        if replica.isOffline { parts.append("OFFLINE") }
        parts.append(replica.lastSeenSeconds == nil ? "not seen" : "seen \(seen(replica.lastSeenSeconds))")
        if replica.lag > 0 { parts.append("\(NumberText.count(replica.lag, "operation")) behind") }
        return parts.joined(separator: ", ")
    }

    private static func seen(_ seconds: Double?) -> String {
        seconds.map { NumberText.duration(.seconds($0)) + " ago" } ?? "never"
    }
}
