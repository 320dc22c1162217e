import ArgumentParser
import KVModel

/// Buckets as users name them: `NAME`, `CLUSTER/NAME`, and patterns such as `app-*` in place of a name.
struct BucketReference: Hashable, Sendable, CustomStringConvertible {
    /// The `nats` context of the cluster; nil for the default connection.
    let cluster: String?
    /// The name, or a pattern of names.
    let pattern: GlobPattern

    /// Takes a reference apart; throws `ModelError` for what can be no bucket's name.
    init(_ text: String) throws(ModelError) {
        var name = Substring(text)
        if let slash = text.lastIndex(of: "/") {
            cluster = String(text[..<slash])
            name = text[text.index(after: slash)...]
            guard cluster?.isEmpty == false else { throw .invalidBucketName(text) }
        } else {
            cluster = nil
        }
        pattern = GlobPattern(text: String(name))
        // What is left without its wildcards must be the letters of a name.
        let letters = name.filter { $0 != "*" && $0 != "?" }
        if pattern.isPattern, letters.isEmpty { return }
        do { _ = try BucketName(String(letters)) } catch { throw .invalidBucketName(String(name)) }
    }

    private init(cluster: String?, pattern: GlobPattern) {
        self.cluster = cluster
        self.pattern = pattern
    }

    /// Every bucket of the default connection.
    static let all = BucketReference(cluster: nil, pattern: GlobPattern(text: "*"))

    /// The bucket's name, if this is no pattern.
    var name: BucketName? {
        guard !pattern.isPattern else { return nil }
        do { return try BucketName(pattern.text) } catch { return nil }
    }

    /// As users write it.
    var description: String {
        cluster.map { "\($0)/\(pattern.text)" } ?? pattern.text
    }
}

extension BucketReference {
    /// Reads a reference from an argument.
    static func parse(_ text: String) throws -> BucketReference {
        try BucketReference(text)
    }

    /// Reads a reference to one bucket from an argument.
    static func parseSingle(_ text: String) throws -> BucketReference {
        let reference = try BucketReference(text)
        guard reference.name != nil else { throw ModelError.invalidBucketName(text) }
        return reference
    }
}
