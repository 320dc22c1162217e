import Crypto
import Foundation

/// Holds what comes in against the token, in a time that says nothing about it, and makes the sessions of the page.
///
/// A session is its end and an HMAC of that under the token: it needs no memory, outlives a restart of the daemon, and
/// ends with the token.
struct TokenGate: Sendable {
    /// The shortest token that is taken.
    static let minimumLength = 16
    /// How long a session lasts, in seconds.
    static let sessionSeconds: Int64 = 7 * 86_400

    private let digest: SHA256Digest
    private let sessionKey: SymmetricKey

    init(_ token: Secret) {
        let bytes = Data(token.value.utf8)
        digest = SHA256.hash(data: bytes)
        sessionKey = HKDF<SHA256>.deriveKey(
            inputKeyMaterial: SymmetricKey(data: bytes),
            info: Data("cistern page session".utf8),
            outputByteCount: 32
        )
    }

    /// Whether a text is the token.
    ///
    /// Digests are compared, in constant time, so that not even the length shows.
    func accepts(token text: String) -> Bool {
        SHA256.hash(data: Data(text.utf8)) == digest
    }

    /// Whether an `Authorization` header bears the token.
    func accepts(authorization: String?) -> Bool {
        guard let authorization, let space = authorization.firstIndex(of: " "),
            authorization[..<space].lowercased() == "bearer"
        else { return false }
        return accepts(token: authorization[space...].trimmingCharacters(in: .whitespaces))
    }

    /// A new session.
    func session(now: Int64) -> String {
        let end = String(now / 1_000_000_000 + Self.sessionSeconds)
        let code = HMAC<SHA256>.authenticationCode(for: Data(end.utf8), using: sessionKey)
        return end + "." + code.map { Self.hex($0) }.joined()
    }

    /// Whether a session was made with this token, and has not ended.
    func accepts(session: String, now: Int64) -> Bool {
        let parts = session.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, let end = Int64(parts[0]), end > now / 1_000_000_000,
            let code = Self.bytes(parts[1])
        else { return false }
        return HMAC<SHA256>.isValidAuthenticationCode(code, authenticating: Data(parts[0].utf8), using: sessionKey)
    }

    private static func hex(_ byte: UInt8) -> String {
        (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }

    private static func bytes(_ hex: Substring) -> [UInt8]? {
        let digits = hex.utf8.map { Character(UnicodeScalar($0)).hexDigitValue }
        guard digits.count == 64, !digits.contains(nil) else { return nil }
        return stride(from: 0, to: 64, by: 2).map { UInt8((digits[$0] ?? 0) << 4 | (digits[$0 + 1] ?? 0)) }
    }
}
