import Crypto
import Foundation

/// What a sealed segment's row says of its seal.
struct SegmentSeal: Sendable, Equatable {
    static let identityBytes = 16

    /// The number of the data key.
    let dataKey: Int64
    /// Random, drawn for each sealing: the segment's own key is derived with it.
    let identity: [UInt8]

    /// What the segment's digest covers of it.
    var digested: [UInt8] {
        var bytes: [UInt8] = []
        bytes.appendBigEndian(UInt64(bitPattern: dataKey))
        return bytes + identity
    }
}

/// Seals and opens the blobs of one segment with AES-256-GCM.
///
/// The key is the segment's own, derived from the data key and the seal's random identity, so that a nonce need only be
/// unlike the others of its segment: it is the blob's kind and number. The seal holds the incarnation and what the
/// segment's row says of its content: a blob opens at its own place only. The ordinal is not part of it: a segment may
/// move in the chain.
struct SegmentCipher: Sendable {
    /// How many bytes longer a sealed blob is than the plain one.
    static let overhead = 16
    private static let keyBytes = 32

    private let key: SymmetricKey
    private let associated: [UInt8]

    init(_ dataKey: SymmetricKey, identity: [UInt8], root: [UInt8], header: SegmentHeader) {
        key = HKDF<SHA256>.deriveKey(
            inputKeyMaterial: dataKey,
            salt: identity,
            info: Array("cistern segment key 1\n".utf8) + root,
            outputByteCount: Self.keyBytes
        )
        var bytes: [UInt8] = []
        for number in header.numbers { bytes.appendBigEndian(number) }
        associated = bytes
    }

    /// Appends a blob's ciphertext and tag to `output`.
    func seal(
        _ plain: UnsafeRawBufferPointer,
        _ blob: SegmentBlob,
        number: Int = 0,
        into output: inout [UInt8]
    ) throws {
        let box = try AES.GCM.seal(plain, using: key, nonce: try Self.nonce(blob, number), authenticating: associated)
        output.append(contentsOf: box.ciphertext)
        output.append(contentsOf: box.tag)
    }

    /// The plain bytes of a blob; throws `SegmentDamage` if it is not what was sealed at this place.
    func open(_ sealed: UnsafeRawBufferPointer, _ blob: SegmentBlob, number: Int = 0) throws -> Data {
        let damage = SegmentDamage("its column \(blob.column) is not what was encrypted at this place")
        guard sealed.count >= Self.overhead else { throw damage }
        let end = sealed.count - Self.overhead
        let box = try AES.GCM.SealedBox(
            nonce: try Self.nonce(blob, number),
            ciphertext: sealed.part(0..<end),
            tag: sealed.part(end..<sealed.count)
        )
        do {
            return try AES.GCM.open(box, using: key, authenticating: associated)
        } catch {
            throw damage
        }
    }

    private static func nonce(_ blob: SegmentBlob, _ number: Int) throws -> AES.GCM.Nonce {
        var bytes: [UInt8] = [UInt8(blob.rawValue), 0, 0, 0]
        bytes.appendBigEndian(UInt64(number))
        return try AES.GCM.Nonce(data: bytes)
    }
}

extension SegmentCipher? {
    /// The plain bytes of a blob that may not be sealed at all.
    func open(_ stored: Data, _ blob: SegmentBlob) throws -> Data {
        guard let self else { return stored }
        return try stored.withUnsafeBytes { try self.open($0, blob) }
    }
}

extension [UInt8] {
    /// Bytes from the system's generator.
    static func random(count: Int) -> [UInt8] {
        SymmetricKey(size: SymmetricKeySize(bitCount: count * 8)).withUnsafeBytes { Array($0) }
    }
}
