import Crypto
import Foundation

/// The blobs of a segment, in the order of their digests in `parts`.
enum SegmentBlob: Int, Sendable, CaseIterable {
    case body
    case values
    case keyFilter

    /// The column that holds it.
    var column: String {
        switch self {
        case .body: "body"
        case .values: "value_blocks"
        case .keyFilter: "key_filter"
        }
    }
}

/// The lengths of a segment's blobs, in bytes.
struct SegmentSizes: Sendable, Equatable {
    var body: Int
    var values: Int
    var keyFilter: Int

    var total: Int { body &+ values &+ keyFilter }
}

/// A digest of each blob of a segment, so that one can be checked without the others being read.
///
/// The segment's own digest covers these digests, not the blobs.
struct SegmentParts: Sendable, Equatable {
    /// Their length in bytes, all together.
    static let size = SegmentBlob.allCases.count * SHA256.byteCount
    /// Whatever the row holds; anything that is not `size` long matches no blob.
    let bytes: [UInt8]

    init(stored: Data) {
        bytes = Array(stored)
    }

    init(body: [UInt8], values: [UInt8], keyFilter: [UInt8]) {
        bytes = [body, values, keyFilter].flatMap { Array(SHA256.hash(data: $0)) }
    }

    /// Throws unless these bytes are the blob that was written.
    func check(_ blob: SegmentBlob, _ data: Data) throws(SegmentDamage) {
        let start = blob.rawValue * SHA256.byteCount
        guard bytes.count == Self.size,
            SHA256.hash(data: data).elementsEqual(bytes[start..<start + SHA256.byteCount])
        else {
            throw SegmentDamage("the digest of its column \(blob.column) does not match")
        }
    }
}
