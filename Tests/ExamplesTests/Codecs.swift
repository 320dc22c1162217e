import KVModel
import KeyValue

/// What the article shows of the codecs that there are.
enum BuiltInCodecs {
    static func open(_ buckets: Buckets, _ name: BucketName) async throws -> Key? {
        // region
        let anyPath = try KeyCodecChain([PathKeyCodec(), Base64KeyCodec()])
        let customers = try await buckets.open(name, codecs: BucketCodecs(key: anyPath, value: Base64ValueCodec()))
        try await customers.put("customers/Acme Inc/city", "Paris")
        let stored = try await customers.get("customers/Acme Inc/city")?.storedKey
        // end
        return stored
    }
}

// region
/// Keys of a tenant, who sees them without the prefix.
struct TenantCodec: PatternKeyCodec {
    let tenant: String

    func encode(_ key: Key) throws -> Key { Key("\(tenant).\(key)") }

    func decode(_ stored: Key) throws -> Key {
        let prefix = Array("\(tenant).".utf8)
        guard stored.bytes.starts(with: prefix) else { throw OtherTenant() }
        return Key(bytes: Array(stored.bytes.dropFirst(prefix.count)))
    }

    func encode(_ pattern: KeyPattern) throws -> KeyPattern { try KeyPattern("\(tenant).\(pattern)") }
}

struct OtherTenant: Error {}
// end

/// The code of the article.
enum Codecs {
    static func open(_ buckets: Buckets, _ name: BucketName) async throws -> (KeyValueBucket, KeyValueEntry?) {
        // region
        let codecs = BucketCodecs(key: TenantCodec(tenant: "acme"))
        let bucket = try await buckets.open(name, codecs: codecs)
        try await bucket.put("color", "green")
        let entry = try await bucket.get("color")
        print(entry?.key == "color", entry?.storedKey == "acme.color")
        // end
        return (bucket, entry)
    }

    static func meetOthers(_ bucket: KeyValueBucket) async throws {
        // region
        var events = bucket.watch().makeAsyncIterator()
        if case .undecodable(let error) = try await events.next() {
            print(error.code == .undecodable, error.revision ?? 0)
        }
        // end
    }
}
