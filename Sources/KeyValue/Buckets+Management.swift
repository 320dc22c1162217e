import JetStream
public import KVModel
import NATSProtocol

extension Buckets {
    /// Opens a bucket for an application.
    ///
    /// Throws `KeyValueError`: `.bucketNotFound` if there is no such stream, `.notABucket` if there is one that does not
    /// keep a newest entry of each key.
    public func open(_ name: BucketName, codecs: BucketCodecs = .none) async throws -> KeyValueBucket {
        let bucket = try await bucket(name)
        guard bucket.configuration.history > 0 else {
            throw KeyValueError(code: .notABucket, bucket: name, text: "its history has no limit")
        }
        return KeyValueBucket(bucket, codecs: codecs)
    }

    /// Creates a bucket, or opens the one that is just like it.
    ///
    /// What the server's version does not know is refused, not dropped: `KeyValueError` with `.unsupported`. Another
    /// configuration throws `.bucketExists`, unless the bucket differs only in what clients made otherwise before
    /// servers of 2.9 (discard policy, direct reads): those settings are brought up to date.
    public func create(_ configuration: BucketConfiguration) async throws -> Bucket {
        try validate(configuration)
        do {
            return try await createStream(of: configuration)
        } catch let error as KeyValueError where error.code == .bucketExists {
            guard let bucket = try await modernized(configuration) else { throw error }
            return bucket
        }
    }

    /// Gives a bucket another configuration, as far as the server changes it in place.
    ///
    /// Throws `KeyValueError`: `.bucketNotFound`, `.unsupported` for what the server's version does not know, and
    /// `.invalidOption`, with the settings and the server's reason, for what it does not change.
    public func update(_ configuration: BucketConfiguration) async throws -> Bucket {
        try await refuseUnknown(configuration)
        do {
            return Bucket(context, try await context.updateStream(configuration.stream))
        } catch let error as JetStreamError where error.code == .streamNotFound {
            throw KeyValueError(code: .bucketNotFound, bucket: configuration.name)
        } catch let error as JetStreamError where error.code == .invalidConfiguration {
            throw try await refusal(of: configuration, error)
        }
    }

    /// Gives a bucket this configuration, and makes it if there is none.
    ///
    /// Throws as `update` and `create` do.
    public func createOrUpdate(_ configuration: BucketConfiguration) async throws -> Bucket {
        try validate(configuration)
        do {
            return try await update(configuration)
        } catch let error as KeyValueError where error.code == .bucketNotFound {
            do {
                return try await createStream(of: configuration)
            } catch let error as KeyValueError where error.code == .bucketExists {
                // Somebody was quicker.
                return try await update(configuration)
            }
        }
    }

    /// Throws `.unsupported` if the configuration asks for what the server does not know; answers the version whose
    /// features it has.
    @discardableResult
    func refuseUnknown(_ configuration: BucketConfiguration) async throws -> ServerVersion {
        let demands = configuration.demands()
        guard let newest = demands.first else { return context.serverVersion }
        var version = context.serverVersion
        var text = "version \(version)"
        if newest.since >= ServerVersion(major: 2, minor: 11, patch: 0), let level = await apiLevel() {
            let effective = JetStreamContext.version(ofLevel: level, connectedTo: version)
            if effective != version { text += ", whose JetStream is of API level \(level)" }
            version = effective
        }
        if let demand = demands.last(where: { version < $0.since }) {
            throw KeyValueError(
                code: .unsupported,
                bucket: configuration.name,
                text: "the server, \(text), does not know \(demand.field), which servers have from "
                    + "\(demand.since.major).\(demand.since.minor) on"
            )
        }
        return version
    }

    /// The API level; nil where the account may not ask for it, or nobody answers.
    private func apiLevel() async -> Int? {
        // The version of the server connected to decides then, and the server itself has the last word.
        do { return try await context.apiLevel() } catch { return nil }
    }

    private func validate(_ configuration: BucketConfiguration) throws {
        do throws(ModelError) {
            try configuration.validate()
        } catch {
            switch error {
            case .invalidBucketName(let text):
                throw KeyValueError(code: .invalidBucketName, bucket: nil, text: "\"\(text)\"", underlying: error)
            default:
                throw KeyValueError(
                    code: .invalidOption,
                    bucket: configuration.name,
                    text: "\(error)",
                    underlying: error
                )
            }
        }
    }

    /// Brings a bucket up to date that differs only in what clients made otherwise once; nil if there is another one.
    private func modernized(_ configuration: BucketConfiguration) async throws -> Bucket? {
        guard let name = configuration.name else { return nil }
        let found = try await bucket(name)
        let differences = found.configuration.differences(from: configuration)
        guard Set(differences).isSubset(of: ["discard", "allow_direct"]) else { return nil }
        var updated = found.configuration
        for field in differences { updated.stream[field] = configuration.stream[field] }
        return try await update(updated)
    }

    /// What to say of settings that the server does not change: which they are, and why.
    private func refusal(of configuration: BucketConfiguration, _ error: JetStreamError) async throws -> KeyValueError {
        var fields: [String] = []
        if let name = configuration.name {
            fields = try await bucket(name).configuration.differences(from: configuration)
        }
        let names = fields.isEmpty ? "the configuration" : fields.map(Self.settingName).joined(separator: ", ")
        return KeyValueError(
            code: .invalidOption,
            bucket: configuration.name,
            text: "the server does not change \(names) in place: \(error.text) (\(error.serverCode))",
            underlying: error
        )
    }

    /// A field by the name that it has as a setting.
    private static func settingName(_ field: String) -> String {
        switch field {
        case "max_msgs_per_subject": "history"
        case "max_age": "ttl"
        case "max_msg_size": "max-value-size"
        case "num_replicas": "replicas"
        case "subject_delete_marker_ttl": "limit-marker-ttl"
        case "max_bytes": "max-bytes"
        case "allow_direct": "allow-direct"
        default: field
        }
    }
}
