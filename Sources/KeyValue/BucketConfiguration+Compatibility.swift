public import KVModel
public import NATSProtocol

extension BucketConfiguration {
    /// The configuration as a server of a version takes it, with the names of settings that had to be left out.
    ///
    /// Servers from 2.12 on refuse fields they do not know, older ones drop them silently, which is worse: the field
    /// looks set and is not. Fields at their default are left out without mention. Fields that no version up to 2.15
    /// has are left as they are for newer servers. Server-made metadata and `first_seq` never travel. Transforms of a
    /// mirror or of sources are named as `mirror.subject_transforms` and `sources.subject_transforms`.
    public func adapted(to version: ServerVersion) -> (configuration: Self, leftOut: [String]) {
        var result = withoutServerMetadata
        result.stream["first_seq"] = nil
        var leftOut: [String] = []
        for (field, since) in Self.introduced where version < since {
            guard let value = result.stream[field] else { continue }
            if !Self.isDefault(value) { leftOut.append(field) }
            result.stream[field] = nil
        }
        if version < Self.transformsIntroduced {
            for field in Self.withTransforms(result) {
                result.removeTransforms(field)
                leftOut.append(field + Self.transforms)
            }
        }
        return (result, leftOut.sorted())
    }

    /// What the configuration asks for and servers before some version do not have, with that version, newest first.
    func demands() -> [(field: String, since: ServerVersion)] {
        var demands: [(field: String, since: ServerVersion)] = []
        for (field, since) in Self.introduced {
            if let value = withoutServerMetadata.stream[field], !Self.isDefault(value) {
                demands.append((field, since))
            }
        }
        for field in Self.withTransforms(self) {
            demands.append((field + Self.transforms, Self.transformsIntroduced))
        }
        return demands.sorted { ($1.since, $0.field) < ($0.since, $1.field) }
    }

    /// The first version of the server that knows a field; nil for fields that all versions from 2.9 on know, or none
    /// up to 2.15 does.
    public static func introduced(_ field: String) -> ServerVersion? {
        introduced[field]
    }

    private static let introduced: [String: ServerVersion] = {
        let since: [(minor: Int, fields: [String])] = [
            (10, ["metadata", "compression", "subject_transform", "consumer_limits"]),
            (11, ["allow_msg_ttl", "subject_delete_marker_ttl"]),
            (12, ["allow_atomic", "allow_msg_counter", "allow_msg_schedules", "persist_mode"]),
            (14, ["allow_batched"]),
        ]
        var table: [String: ServerVersion] = [:]
        for (minor, fields) in since {
            for field in fields { table[field] = ServerVersion(major: 2, minor: minor, patch: 0) }
        }
        return table
    }()

    private static let transforms = ".subject_transforms"
    private static let transformsIntroduced = ServerVersion(major: 2, minor: 10, patch: 0)

    /// The fields whose origins have transforms.
    private static func withTransforms(_ configuration: Self) -> [String] {
        let stream = configuration.stream
        return [("mirror", [stream["mirror"]].compactMap { $0 }), ("sources", stream["sources"]?.array ?? [])]
            .filter { _, origins in origins.contains { $0["subject_transforms"]?.array?.isEmpty == false } }
            .map(\.0)
    }

    private mutating func removeTransforms(_ field: String) {
        func bare(_ origin: JSONValue) -> JSONValue {
            var origin = origin
            origin["subject_transforms"] = nil
            return origin
        }
        if let origins = stream[field]?.array {
            stream[field] = .array(origins.map(bare))
        } else {
            stream[field] = stream[field].map(bare)
        }
    }

    private static func isDefault(_ value: JSONValue) -> Bool {
        switch value {
        case .null, .bool(false), .integer(0), .string(""), .string("none"), .object([:]): true
        default: false
        }
    }
}
