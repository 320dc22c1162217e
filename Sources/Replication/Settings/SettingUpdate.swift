public import KVModel
import KeyValue
import NATSProtocol

/// What a server does when a setting of an existing bucket is changed.
public enum SettingUpdate: Sendable, Hashable {
    /// It changes it in place.
    case inPlace
    /// It answers that it did, and goes on as before.
    case ineffective(String)
    /// It refuses; a new bucket can have the setting.
    case recreation(String)
    /// It refuses, and would refuse it of a new bucket as well.
    case refused(String)

    /// What a server of these properties does about a change on the way to a configuration.
    public init(_ change: SettingChange, to configuration: BucketConfiguration, on server: ServerFacts) {
        if let since = BucketConfiguration.introduced(change.field), server.version < since {
            let text = "servers know it from \(since.major).\(since.minor) on"
            // Older ones drop what they do not know.
            self = server.version >= ServerVersion(2, 12) ? .refused(text) : .ineffective(text)
            return
        }
        let rule = Self.rules.first { rule in
            rule.fields.contains(change.field) && rule.versions.contains(server.version)
                && rule.applies(change, configuration, server)
        }
        self =
            rule?.outcome
            ?? (Self.changeable.contains(change.field)
                ? .inPlace : .recreation("it is not known that servers change it in place"))
    }
}

extension SettingUpdate {
    /// One row of the table; the first that applies counts.
    private struct Rule: Sendable {
        var fields: Set<String>
        var versions = ServerVersion(0, 0)..<ServerVersion(.max, 0)
        var outcome: SettingUpdate
        var applies: @Sendable (SettingChange, BucketConfiguration, ServerFacts) -> Bool = { _, _, _ in true }
    }

    /// What all servers change in place, where no rule says otherwise.
    private static let changeable: Set<String> = [
        "max_msgs_per_subject", "max_age", "max_bytes", "max_msgs", "max_msg_size", "num_replicas", "compression",
        "placement", "republish", "allow_direct", "mirror_direct", "description", "metadata", "duplicate_window",
        "consumer_limits", "no_ack", "subject_transform", "subjects", "deny_delete", "deny_purge",
        "allow_rollup_hdrs", "discard", "discard_new_per_subject", "retention", "max_consumers", "sealed",
        "allow_msg_ttl", "subject_delete_marker_ttl", "allow_atomic", "allow_batched", "allow_msg_schedules", "mirror",
        "sources",
    ]

    private static let rules: [Rule] = [
        Rule(fields: ["storage"], outcome: .recreation("a bucket stays in the storage it was made in")),
        Rule(fields: ["name"], outcome: .recreation("a bucket keeps its name")),
        Rule(
            fields: ["retention"],
            outcome: .recreation("to and from a work queue needs a new bucket"),
            applies: { change, _, _ in change.old?.string == "workqueue" || change.new?.string == "workqueue" }
        ),
        Rule(
            fields: ["retention", "republish"],
            versions: ServerVersion(0, 0)..<ServerVersion(2, 10),
            outcome: .recreation("servers change it from 2.10 on")
        ),
        Rule(
            fields: ["num_replicas"],
            versions: ServerVersion(0, 0)..<ServerVersion(2, 13),
            outcome: .ineffective("a single server keeps one copy, whatever it answers"),
            applies: { _, configuration, server in configuration.replicas > 1 && !server.isClustered }
        ),
        Rule(
            fields: ["num_replicas"],
            outcome: .refused("a single server keeps one copy"),
            applies: { _, configuration, server in configuration.replicas > 1 && !server.isClustered }
        ),
        Rule(
            fields: ["deny_delete"],
            outcome: .recreation("servers do not take back that single messages cannot be deleted"),
            applies: { change, _, _ in isOff(change.new) }
        ),
        Rule(
            fields: ["deny_purge"],
            outcome: .recreation("servers do not take back that a bucket cannot be purged"),
            applies: { change, _, _ in isOff(change.new) }
        ),
        Rule(
            fields: ["deny_purge"],
            outcome: .refused("the bucket allows purges of a key (allow_rollup_hdrs), which it would forbid"),
            applies: { _, configuration, _ in configuration.stream["allow_rollup_hdrs"]?.bool == true }
        ),
        Rule(
            fields: ["max_consumers"],
            versions: ServerVersion(0, 0)..<ServerVersion(2, 12),
            outcome: .recreation("servers change it from 2.12 on")
        ),
        Rule(
            fields: ["sealed"],
            outcome: .recreation("a sealed bucket stays sealed"),
            applies: { change, _, _ in isOff(change.new) }
        ),
        Rule(
            fields: ["allow_msg_ttl"],
            outcome: .recreation("servers do not take back that entries may have a TTL of their own"),
            applies: { change, _, _ in isOff(change.new) }
        ),
        Rule(
            fields: ["allow_msg_counter"],
            outcome: .refused(withoutDiscardNew),
            applies: { change, configuration, _ in !isOff(change.new) && isDiscardingNew(configuration) }
        ),
        Rule(
            fields: ["allow_msg_schedules"],
            versions: ServerVersion(2, 13)..<ServerVersion(.max, 0),
            outcome: .refused(withoutDiscardNew),
            applies: { change, configuration, _ in !isOff(change.new) && isDiscardingNew(configuration) }
        ),
        Rule(
            fields: ["allow_msg_schedules"],
            outcome: .recreation("servers do not take back that messages may be scheduled"),
            applies: { change, _, _ in isOff(change.new) }
        ),
        Rule(
            fields: ["persist_mode", "allow_msg_counter"],
            outcome: .recreation("servers keep it for a bucket's life")
        ),
        Rule(
            fields: ["mirror"],
            outcome: .recreation("a bucket does not become a mirror"),
            applies: { change, _, _ in change.old?.object == nil }
        ),
        Rule(
            fields: ["mirror"],
            outcome: .recreation("a mirror keeps what it mirrors"),
            applies: { change, _, _ in change.new?.object != nil }
        ),
        Rule(
            fields: ["mirror"],
            versions: ServerVersion(0, 0)..<ServerVersion(2, 12),
            outcome: .recreation("servers make a bucket of a mirror from 2.12 on")
        ),
    ]

    private static let withoutDiscardNew = "it does not go with discard new, which buckets have"

    private static func isDiscardingNew(_ configuration: BucketConfiguration) -> Bool {
        configuration.stream["discard"]?.string == "new"
    }

    private static func isOff(_ value: JSONValue?) -> Bool {
        value?.bool != true
    }
}

extension ServerVersion {
    /// The first version of a line.
    fileprivate init(_ major: Int, _ minor: Int) {
        self.init(major: major, minor: minor, patch: 0)
    }
}
