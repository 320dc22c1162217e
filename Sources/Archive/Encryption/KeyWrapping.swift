import Crypto
import Foundation

/// What scrypt costs: memory of 128 bytes times rounds times block size, passed through `parallelism` times.
struct ScryptCost: Sendable, Hashable {
    let rounds: Int
    let blockSize: Int
    let parallelism: Int

    /// What new wrappings cost: 64 MiB and about half a second.
    ///
    /// Reading an archive must not need much more memory than that; the parallelism makes up for it.
    static let strong = ScryptCost(rounds: 1 << 16, blockSize: 8, parallelism: 4)

    var memory: Int { 128 * rounds * blockSize }

    /// Whether these numbers may be computed with at all: a damaged or hostile file can declare any.
    var isBounded: Bool {
        guard (2...(1 << 24)).contains(rounds), rounds & (rounds - 1) == 0, (1...64).contains(blockSize),
            (1...64).contains(parallelism)
        else { return false }
        return memory <= 1 << 30
    }
}

/// How a data key is wrapped: by what kind of key, and what makes this wrapping's key of it.
struct KeyWrapping: Sendable, Hashable {
    static let saltBytes = 16

    let kind: ArchiveKey.Kind
    let salt: [UInt8]
    /// What scrypt costs; nil for a key file.
    let cost: ScryptCost?

    /// A new wrapping for a key.
    init(for key: ArchiveKey) {
        kind = key.kind
        salt = [UInt8].random(count: Self.saltBytes)
        cost = key.kind == .passphrase ? key.cost : nil
    }

    init(kind: ArchiveKey.Kind, salt: [UInt8], cost: ScryptCost?) {
        self.kind = kind
        self.salt = salt
        self.cost = cost
    }
}

/// The archive's data key as the archive holds it: wrapped.
struct WrappedDataKey: Sendable, Equatable {
    /// Bytes of a wrapped key: nonce, key, tag.
    static let size = 12 + 32 + 16

    /// Its number; the greatest one seals what is written.
    let id: Int64
    let wrapping: KeyWrapping
    let wrapped: [UInt8]
    /// Whether all segments are sealed with it, and nothing else is left in the file.
    let isComplete: Bool

    /// Wraps a data key.
    init(_ dataKey: SymmetricKey, id: Int64, isComplete: Bool, for key: ArchiveKey) throws {
        self.id = id
        self.isComplete = isComplete
        wrapping = KeyWrapping(for: key)
        let plain = dataKey.withUnsafeBytes { Data($0) }
        let box = try AES.GCM.seal(plain, using: key.wrappingKey(wrapping), authenticating: Self.associated(id))
        wrapped = Array(box.nonce) + box.ciphertext + box.tag
    }

    init(id: Int64, wrapping: KeyWrapping, wrapped: [UInt8], isComplete: Bool) {
        self.id = id
        self.wrapping = wrapping
        self.wrapped = wrapped
        self.isComplete = isComplete
    }

    /// The data key; throws `.wrongKey` if this key did not wrap it.
    func unwrap(with key: ArchiveKey) throws -> SymmetricKey {
        let wrappingKey = try key.wrappingKey(wrapping)
        do {
            let box = try AES.GCM.SealedBox(combined: wrapped)
            return SymmetricKey(data: try AES.GCM.open(box, using: wrappingKey, authenticating: Self.associated(id)))
        } catch {
            let what = key.kind == .passphrase ? "the passphrase is another one" : "the key file is another archive's"
            throw ArchiveError(.wrongKey(what), cause: error)
        }
    }

    /// The digest of the row, by which damage is told from a wrong key.
    var digest: [UInt8] {
        var numbers: [UInt8] = []
        for number in [Int64(wrapping.cost?.rounds ?? 0), Int64(wrapping.cost?.blockSize ?? 0)] {
            numbers.appendBigEndian(UInt64(bitPattern: number))
        }
        numbers.appendBigEndian(UInt64(wrapping.cost?.parallelism ?? 0))
        numbers.appendBigEndian(UInt64(bitPattern: id))
        return SegmentDigest.fields(
            "cistern data key 1\n",
            [numbers, Array(wrapping.kind.rawValue.utf8), wrapping.salt, wrapped]
        )
    }

    private static func associated(_ id: Int64) -> [UInt8] {
        var bytes = Array("cistern data key 1\n".utf8)
        bytes.appendBigEndian(UInt64(bitPattern: id))
        return bytes
    }
}
