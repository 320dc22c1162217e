import Crypto
import Foundation

/// A key of the kind that `nsc` makes, written independently of the client: for servers that know only our own keys.
struct NKey {
    enum Kind: UInt8 {
        case `operator` = 14
        case account = 0
        case user = 20
    }

    let kind: Kind
    private let key = Curve25519.Signing.PrivateKey()

    init(_ kind: Kind) {
        self.kind = kind
    }

    var publicText: String {
        Self.text([kind.rawValue << 3] + Array(key.publicKey.rawRepresentation))
    }

    var seedText: String {
        let prefix = kind.rawValue << 3
        return Self.text([18 << 3 | prefix >> 5, (prefix & 31) << 3] + Array(key.rawRepresentation))
    }

    /// A JWT about another key, signed by this one.
    func token(subject: NKey, name: String, type: String) -> String {
        let header = #"{"typ":"JWT","alg":"ed25519-nkey"}"#
        var nats = #"{"type":"\#(type)","version":2"#
        if type == "account" {
            nats += #","limits":{"subs":-1,"data":-1,"payload":-1,"imports":-1,"exports":-1,"wildcards":true,"conn":-1"#
            nats += #","leaf":-1}"#
        }
        if type == "user" { nats += #","pub":{},"sub":{},"subs":-1,"data":-1,"payload":-1"# }
        nats += "}"
        let claims =
            #"{"jti":"x","iat":1700000000,"iss":"\#(publicText)","name":"\#(name)","sub":"\#(subject.publicText)","nats":\#(nats)}"#
        let body = Self.base64(Data(header.utf8)) + "." + Self.base64(Data(claims.utf8))
        guard let signature = try? key.signature(for: Data(body.utf8)) else { return body }
        return body + "." + Self.base64(signature)
    }

    private static func base64(_ data: Data) -> String {
        data.base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }

    private static func text(_ body: [UInt8]) -> String {
        var checksum: UInt16 = 0
        for byte in body {
            checksum ^= UInt16(byte) << 8
            for _ in 0..<8 { checksum = checksum & 0x8000 != 0 ? checksum << 1 ^ 0x1021 : checksum << 1 }
        }
        let bytes = body + [UInt8(checksum & 255), UInt8(checksum >> 8)]
        let bits = bytes.flatMap { byte in (0..<8).map { byte >> (7 - $0) & 1 } }
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
        return stride(from: 0, to: bits.count, by: 5).map { start in
            var value = 0
            for index in start..<start + 5 { value = value << 1 | (index < bits.count ? Int(bits[index]) : 0) }
            return String(alphabet[value])
        }.joined()
    }
}
