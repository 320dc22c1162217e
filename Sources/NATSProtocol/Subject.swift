/// The rules of subjects that hold for every server.
public enum Subject {
    /// Why a text cannot be a subject, or nil if it can; wildcards only where they are allowed.
    public static func fault(in text: String, wildcardsAllowed: Bool) -> ProtocolError? {
        func wrong(_ why: String) -> ProtocolError {
            ProtocolError(.invalidSubject, cause: "\"\(text.prefix(128))\" is not a valid subject: \(why)")
        }
        guard !text.isEmpty else { return wrong("it is empty") }
        guard text.utf8.allSatisfy({ $0 != 0x20 && $0 != 0x09 && $0 != 0x0A && $0 != 0x0D && $0 != 0 }) else {
            return wrong("it contains a blank or a line break")
        }
        let tokens = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        for (index, token) in tokens.enumerated() {
            if token.isEmpty { return wrong("it has an empty part") }
            guard token.count == 1 else { continue }
            if token.first == UInt8(ascii: "*"), !wildcardsAllowed { return wrong("wildcards cannot be published to") }
            if token.first == UInt8(ascii: ">") {
                if !wildcardsAllowed { return wrong("wildcards cannot be published to") }
                if index != tokens.count - 1 { return wrong("\">\" must be its last part") }
            }
        }
        return nil
    }
}
