import Crypto
import CryptoExtras
import Foundation
import Synchronization

/// What opens an encrypted archive: the content of a key file, or a passphrase.
///
/// It never encrypts entries itself: it wraps the archive's random data key. Use one value for a whole process: what
/// scrypt made of a passphrase is remembered in it, so that an archive opened twice does not cost twice.
public final class ArchiveKey: Sendable {
    /// How an archive's data key is wrapped.
    public enum Kind: String, Sendable {
        /// By a key file.
        case keyFile = "key-file"
        /// By a passphrase.
        case passphrase
    }

    /// What a key file's line begins with; 64 hexadecimal digits follow.
    static let keyFilePrefix = "cistern-key-1:"
    private static let keyBytes = 32

    /// Which of the two it is.
    public let kind: Kind
    /// What a new wrapping by this key costs; old ones say themselves what they cost.
    let cost: ScryptCost
    private let secret: SymmetricKey
    private let derived = Mutex<[KeyWrapping: SymmetricKey]>([:])

    private init(kind: Kind, secret: SymmetricKey, cost: ScryptCost) {
        self.kind = kind
        self.secret = secret
        self.cost = cost
    }

    /// The key in a key file.
    ///
    /// Throws `.invalidKey` for anything that `newKeyFile` did not write.
    public convenience init(keyFile content: [UInt8]) throws(ArchiveError) {
        var digits = content[...]
        if digits.last == 10 { digits.removeLast() }
        if digits.last == 13 { digits.removeLast() }
        guard digits.starts(with: Self.keyFilePrefix.utf8) else {
            throw ArchiveError(.invalidKey("the key file does not begin with \"\(Self.keyFilePrefix)\""))
        }
        digits.removeFirst(Self.keyFilePrefix.utf8.count)
        guard let bytes = Self.bytes(hexadecimal: digits), bytes.count == Self.keyBytes else {
            throw ArchiveError(.invalidKey("the key file does not hold \(Self.keyBytes * 2) hexadecimal digits"))
        }
        self.init(kind: .keyFile, secret: SymmetricKey(data: bytes), cost: .strong)
    }

    /// A passphrase, byte for byte as it is given.
    ///
    /// Throws `.invalidKey` if it is empty.
    public convenience init(passphrase: [UInt8]) throws(ArchiveError) {
        try self.init(passphrase: passphrase, cost: .strong)
    }

    init(passphrase: [UInt8], cost: ScryptCost) throws(ArchiveError) {
        guard !passphrase.isEmpty else { throw ArchiveError(.invalidKey("the passphrase is empty")) }
        kind = .passphrase
        secret = SymmetricKey(data: passphrase)
        self.cost = cost
    }

    /// The content of a new key file: one line of text with 256 random bits.
    public static func newKeyFile() -> [UInt8] {
        let key = SymmetricKey(size: .bits256)
        let digits = key.withUnsafeBytes { bytes in bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) } }
        return Array((keyFilePrefix + digits.joined() + "\n").utf8)
    }

    /// The key that a wrapping's data key is sealed with.
    ///
    /// Slow for a passphrase, once per wrapping. Throws `.wrongKey` if the wrapping asks for the other kind.
    func wrappingKey(_ wrapping: KeyWrapping) throws -> SymmetricKey {
        guard wrapping.kind == kind else {
            throw ArchiveError(.wrongKey("it opens with a \(wrapping.kind), not with a \(kind)"))
        }
        if let known = derived.withLock({ $0[wrapping] }) { return known }
        let key =
            switch wrapping.cost {
            case nil:
                HKDF<SHA256>.deriveKey(
                    inputKeyMaterial: secret,
                    salt: wrapping.salt,
                    info: Array("cistern key file 1\n".utf8),
                    outputByteCount: Self.keyBytes
                )
            case let cost?:
                try KDF.Scrypt.deriveKey(
                    from: secret.withUnsafeBytes { Data($0) },
                    salt: wrapping.salt,
                    outputByteCount: Self.keyBytes,
                    rounds: cost.rounds,
                    blockSize: cost.blockSize,
                    parallelism: cost.parallelism,
                    maxMemory: cost.memory + (1 << 20)
                )
            }
        derived.withLock { $0[wrapping] = key }
        return key
    }

    private static func bytes(hexadecimal digits: ArraySlice<UInt8>) -> [UInt8]? {
        guard digits.count.isMultiple(of: 2) else { return nil }
        var result: [UInt8] = []
        for index in stride(from: digits.startIndex, to: digits.endIndex, by: 2) {
            guard let high = Character(UnicodeScalar(digits[index])).hexDigitValue,
                let low = Character(UnicodeScalar(digits[index + 1])).hexDigitValue
            else { return nil }
            result.append(UInt8(high << 4 | low))
        }
        return result
    }
}

extension ArchiveKey.Kind: CustomStringConvertible {
    /// What messages call it.
    public var description: String {
        switch self {
        case .keyFile: "key file"
        case .passphrase: "passphrase"
        }
    }
}
