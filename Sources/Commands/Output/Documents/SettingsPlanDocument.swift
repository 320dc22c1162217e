import KVModel
import Replication

/// What it takes to give entries another configuration, in `--json` output.
struct SettingsPlanDocument: Encodable, Sendable {
    /// A setting that changes.
    struct Setting: Encodable, Sendable {
        /// Its name in `--set`, if it has one, else the field's.
        var setting: String
        /// The stream configuration's field.
        var field: String
        /// Its value before; absent if there was none.
        var old: JSONValue?
        /// Its value after; absent if there is none.
        var new: JSONValue?
        /// What the server does when it is changed in a bucket that exists: `in-place`, `ineffective` (it says yes and
        /// goes on as before), `recreation` (only a new bucket can have it), `refused` (no bucket can).
        var update: String
        /// Why, unless it is in place.
        var updateReason: String?
    }

    /// Entries that the new configuration does not hold as they are.
    struct Loss: Encodable, Sendable {
        /// The setting that says so.
        var setting: String
        /// The stream configuration's field.
        var field: String
        /// What becomes of them: `dropped`, `expired` (left out, or gone at once), `refused` (writing them would
        /// fail), `kept` (but no more of the kind are taken), `immortal` (their own TTL does not count any more).
        var effect: String
        /// How many.
        var entries: UInt64
        /// The size of their headers and values; absent where it is not reckoned.
        var bytes: UInt64?
        /// Some of them.
        var examples: [Example]
    }

    /// An entry, or the entries of a key.
    struct Example: Encodable, Sendable {
        var key: String
        var keyBase64: String?
        /// The revision; where it is about several entries of the key, that of the key's newest.
        var revision: Revision
        /// When that was stored.
        var time: String
        /// How many entries of the key.
        var entries: UInt64
        var bytes: UInt64?
    }

    /// How long it may take, in seconds: a guess from counts and sizes.
    struct Estimate: Encodable, Sendable {
        var writingSeconds: Double
        /// Absent if nothing is compared.
        var comparingSeconds: Double?
        /// How long a bucket in use takes no writes; absent where none is touched.
        var pauseSeconds: Double?
    }

    /// `update` (in place), `exact` or `replay` (into a new bucket).
    var method: String
    /// Why.
    var reason: String
    var settings: [Setting]
    var losses: [Loss]
    var estimate: Estimate

    init(_ plan: SettingsPlan) {
        method = plan.method.rawValue
        reason = plan.reason
        settings = plan.settings.map { setting in
            let (update, reason) = Self.update(setting.update)
            return Setting(
                setting: SettingsText.name(setting.change.field),
                field: setting.change.field,
                old: setting.change.old,
                new: setting.change.new,
                update: update,
                updateReason: reason
            )
        }
        losses = plan.losses.map { loss in
            Loss(
                setting: SettingsText.name(loss.field),
                field: loss.field,
                effect: loss.effect.rawValue,
                entries: loss.part.entries,
                bytes: loss.field == "max_msgs_per_subject" ? nil : loss.part.bytes,
                examples: loss.part.examples.map { example in
                    Example(
                        key: example.key.description,
                        keyBase64: TextOrBytes(example.key.bytes).base64,
                        revision: example.revision,
                        time: example.time.description,
                        entries: example.entries,
                        bytes: example.bytes
                    )
                }
            )
        }
        estimate = Estimate(
            writingSeconds: plan.estimate.writing.milliseconds,
            comparingSeconds: plan.estimate.comparing?.milliseconds,
            pauseSeconds: plan.estimate.pause?.milliseconds
        )
    }

    private static func update(_ update: SettingUpdate) -> (String, String?) {
        switch update {
        case .inPlace: ("in-place", nil)
        case .ineffective(let reason): ("ineffective", reason)
        case .recreation(let reason): ("recreation", reason)
        case .refused(let reason): ("refused", reason)
        }
    }
}
