import Crypto
import Foundation

/// The secret half of a user's nkey, read from its `SU…` text.
public struct NKeySeed: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    private let key: Curve25519.Signing.PrivateKey

    /// The public half, `U…`.
    public let publicKey: String

    /// Reads a seed; the error never repeats it.
    public init(_ text: String) throws {
        func invalid(_ cause: String) -> NATSError {
            NATSError(
                .invalidConfiguration,
                cause: cause,
                hint: "A user's seed is 58 letters and begins with SU: check that the file was copied wholly."
            )
        }
        let text = text.trimmingCharacters(in: .whitespacesAndNewlines)
        guard let bytes = Base32.decode(text) else { throw invalid("the nkey seed holds characters that none has") }
        guard bytes.count == 36 else { throw invalid("the nkey seed has \(text.count) characters instead of 58") }
        guard bytes[0] & 0xF8 == 18 << 3 else { throw invalid("the nkey is not a seed") }
        let prefix = (bytes[0] & 7) << 5 | bytes[1] >> 3
        guard prefix == 20 << 3 else { throw invalid("the nkey seed is not that of a user") }
        guard Base32.checksum(bytes[..<34]) == UInt16(bytes[34]) | UInt16(bytes[35]) << 8 else {
            throw invalid("the nkey seed's checksum is wrong")
        }
        key = try Curve25519.Signing.PrivateKey(rawRepresentation: bytes[2..<34])
        publicKey = Self.encode(prefix: 20 << 3, key: Array(key.publicKey.rawRepresentation))
    }

    /// Signs the server's nonce: base64 as URLs have it, unpadded.
    func signature(of nonce: String) throws -> String {
        try key.signature(for: Data(nonce.utf8)).base64EncodedString()
            .replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }

    private static func encode(prefix: UInt8, key: [UInt8]) -> String {
        let body = [prefix] + key
        let checksum = Base32.checksum(body)
        return Base32.encode(body + [UInt8(truncatingIfNeeded: checksum), UInt8(truncatingIfNeeded: checksum >> 8)])
    }

    /// The public half.
    public var description: String { "nkey \(publicKey)" }

    /// The public half.
    public var debugDescription: String { description }

    /// Shows the public half only.
    public var customMirror: Mirror { Mirror(self, children: ["publicKey": publicKey]) }
}
