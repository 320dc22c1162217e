import Crypto
import KVModel

/// The digests that chain the segments of an incarnation; `Format.md`, "Digest chain", says what they cover.
enum SegmentDigest {
    /// A segment's digest, from what its row says, its place, and its predecessor's digest.
    static func chained(
        _ header: SegmentHeader,
        _ sizes: SegmentSizes,
        _ parts: SegmentParts,
        _ seal: SegmentSeal?,
        ordinal: Int64,
        previous: [UInt8]
    ) -> [UInt8] {
        var bytes = Array("cistern segment 1\n".utf8)
        for number in header.numbers { bytes.appendBigEndian(number) }
        for size in [sizes.body, sizes.values, sizes.keyFilter] {
            bytes.appendBigEndian(UInt64(bitPattern: Int64(size)))
        }
        bytes.append(contentsOf: parts.bytes)
        if let seal { bytes.append(contentsOf: seal.digested) }
        bytes.appendBigEndian(UInt64(bitPattern: ordinal))
        bytes.append(contentsOf: previous)
        return Array(SHA256.hash(data: bytes))
    }

    /// What stands for the predecessor of an incarnation's first segment: a digest of the incarnation's name, and of
    /// the filter of a filtered one.
    static func root(_ incarnation: Incarnation) -> [UInt8] {
        var texts = [incarnation.cluster, incarnation.bucket.rawValue, incarnation.created]
        if !incarnation.filter.isEmpty { texts.append(incarnation.filterText) }
        return fields("cistern incarnation 1\n", texts.map { Array($0.utf8) })
    }

    /// The digest of a small row: of a label and of fields, each after its length in eight bytes.
    static func fields(_ label: String, _ fields: [[UInt8]]) -> [UInt8] {
        var bytes = Array(label.utf8)
        for field in fields {
            bytes.appendBigEndian(UInt64(field.count))
            bytes.append(contentsOf: field)
        }
        return Array(SHA256.hash(data: bytes))
    }
}
