public import KVModel
import NATSClient

/// Why JetStream did not do what was asked.
public struct JetStreamError: Error, Sendable {
    /// What went wrong, for code that decides by it.
    public enum Code: Sendable, Hashable {
        /// Nothing answers on the API: no JetStream here, or not for this account.
        case unavailable
        /// JetStream is not enabled for the account or the server (10039, 10076).
        case notEnabled
        /// The stream does not exist (10059).
        case streamNotFound
        /// The consumer does not exist (10014).
        case consumerNotFound
        /// The message does not exist (10037).
        case messageNotFound
        /// A stream of the name exists (10058, 10130).
        case streamExists
        /// The subjects belong to another stream (10065).
        case subjectsOverlap
        /// An expected sequence did not hold (10071, 10164).
        case wrongLastSequence
        /// The server dropped the message as one it already had, by its `Nats-Msg-Id`.
        case duplicate
        /// The message is larger than the stream takes (10054).
        case messageTooLarge
        /// The stream's limits are reached (10077).
        case storeFull
        /// The lifetime of a message is none that the server takes (10165).
        case invalidTimeToLive
        /// The stream does not allow messages a lifetime of their own (10166).
        case timeToLiveNotAllowed
        /// The stream takes no changes any more (10109).
        case sealed
        /// The account or the server has no room for it (10023, 10026, 10027, 10028, 10047).
        case insufficientResources
        /// The server takes no more at the moment (10167).
        case tooManyRequests
        /// The cluster cannot do it at the moment (10008, 10009, 10118, 10194).
        case temporarilyUnavailable
        /// The server does not take the configuration (10025, 10052 and other configuration errors).
        case invalidConfiguration
        /// The server could not make a stream of a snapshot (10062).
        case restoreFailed
        /// This server's version cannot do it.
        case unsupported
        /// The stream was deleted and created again while it was read.
        case streamRecreated
        /// The stream's last sequence is lower than one that was already read: the server lost messages.
        case streamRegressed
        /// Acknowledgements are missing: what was sent last may or may not be stored.
        case interrupted
        /// The reply is not what the API promises.
        case malformedReply
        /// Any other refusal, by the server's `err_code`.
        case other(Int)
    }

    /// What went wrong.
    public let code: Code
    /// The server's `err_code`; 0 where the server did not say one.
    public let serverCode: Int
    /// The API subject or stream that it was about.
    public let subject: String
    /// What the server said, or what was seen.
    public let text: String
    /// What to do about it.
    public let hint: String?

    /// An error found by the client.
    public init(code: Code, subject: String, text: String, hint: String? = nil) {
        self.code = code
        serverCode = 0
        self.subject = subject
        self.text = text
        self.hint = hint
    }

    /// An error as the server's API says it: `{"code":…,"err_code":…,"description":…}`.
    public init(refusal: JSONValue, subject: String) {
        let number = Int(refusal["err_code"]?.integer ?? refusal["code"]?.integer ?? 0)
        serverCode = number
        code = Self.code(number)
        text = refusal["description"]?.string ?? "refused without a reason"
        hint = Self.hint(number)
        self.subject = subject
    }

    /// Whether the same request may succeed a little later.
    public var isTransient: Bool {
        switch code {
        case .unavailable, .temporarilyUnavailable, .tooManyRequests, .interrupted: true
        default: false
        }
    }

    /// The sequence that was found in place of the expected one, where the server says it (10071 does, 10164 does not).
    public var lastSequence: UInt64? {
        guard code == .wrongLastSequence, let colon = text.lastIndex(of: ":") else { return nil }
        return UInt64(text[text.index(after: colon)...].drop { $0 == " " })
    }

    /// Whether the servers that hold the stream are away, or cannot serve it (10118, 10194).
    package var isOffline: Bool { serverCode == 10_118 || serverCode == 10_194 }

    /// Whether the cluster refused because its JetStream has no leader (10008, 10009).
    package var isLeaderless: Bool { serverCode == 10_008 || serverCode == 10_009 }

    /// Whether the server could not make the files of a new stream (10049 is for other causes as well).
    var hasNoFolder: Bool { serverCode == 10_049 && text.contains("creating store") }

    private static func code(_ number: Int) -> Code {
        switch number {
        case 10_039, 10_076: .notEnabled
        case 10_059: .streamNotFound
        case 10_014: .consumerNotFound
        case 10_037: .messageNotFound
        case 10_058, 10_130: .streamExists
        case 10_065: .subjectsOverlap
        case 10_071, 10_164: .wrongLastSequence
        case 10_054: .messageTooLarge
        case 10_077: .storeFull
        case 10_109: .sealed
        case 10_165: .invalidTimeToLive
        case 10_166: .timeToLiveNotAllowed
        case 10_023, 10_026, 10_027, 10_028, 10_047: .insufficientResources
        case 10_167: .tooManyRequests
        case 10_062: .restoreFailed
        case 10_008, 10_009, 10_118, 10_194: .temporarilyUnavailable
        case 10_003, 10_005, 10_025, 10_034, 10_052, 10_055, 10_056, 10_074, 10_113, 10_122, 10_128:
            .invalidConfiguration
        default: .other(number)
        }
    }

    private static func hint(_ number: Int) -> String? {
        switch number {
        case 10_039, 10_076: "enable JetStream for the account, or use another account's credentials"
        case 10_023, 10_026, 10_027, 10_028, 10_047: "raise the account's limits or free some of what it uses"
        case 10_065: "another stream takes these subjects: `nats stream ls --subject` shows which"
        case 10_074: "the server is not clustered: use replicas=1"
        case 10_077: "raise the bucket's max-bytes"
        case 10_054: "raise the bucket's max-value-size"
        case 10_130: "a stream of the name exists: choose another name or delete it first"
        case 10_062: "restore by replay, or look into the server's log for what is wrong"
        default: nil
        }
    }
}

extension JetStreamError: CustomStringConvertible {
    /// One sentence, with the server's code and what to do.
    public var description: String {
        var sentence = "\(subject): \(text)"
        if serverCode != 0 { sentence += " (\(serverCode))" }
        if let hint { sentence += "; \(hint)" }
        return sentence
    }
}

extension Error {
    /// Whether the same may succeed a little later, once the server, or the way to it, is back.
    package var isTransient: Bool {
        switch self {
        case let error as NATSError: error.isTransient
        case let error as JetStreamError: error.isTransient
        default: false
        }
    }
}
