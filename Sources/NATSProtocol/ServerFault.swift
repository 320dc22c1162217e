/// What the text of an `-ERR` line means.
public enum ServerFault: Sendable, Equatable {
    /// The credentials are refused.
    case authorizationViolation
    /// No credentials came in time.
    case authenticationTimeout
    /// The credentials have expired or were revoked.
    case authenticationExpired
    /// We have not answered its pings.
    case staleConnection
    /// The server or the account takes no more connections.
    case maximumConnections
    /// A message was too large.
    case maximumPayload
    /// A line was too long.
    case controlLineExceeded
    /// It did not understand an operation.
    case unknownOperation
    /// It takes encrypted connections only.
    case tlsRequired
    /// The user must not publish there.
    case publishPermission(subject: String)
    /// The user must not subscribe to that.
    case subscriptionPermission(subject: String, queue: String?)
    /// A subscription's subject is none.
    case invalidSubject
    /// A published message's subject is none.
    case invalidPublishSubject
    /// Anything else.
    case other

    /// Reads the text of an `-ERR` line; servers differ in the case of letters.
    public init(_ text: String) {
        let text = Self.trimmed(text)
        let lower = text.lowercased()
        let fixed: [(String, ServerFault)] = [
            ("authorization violation", .authorizationViolation),
            ("authentication timeout", .authenticationTimeout),
            ("user authentication expired", .authenticationExpired),
            ("user authentication revoked", .authenticationExpired),
            ("account authentication expired", .authenticationExpired),
            ("stale connection", .staleConnection),
            ("maximum connections exceeded", .maximumConnections),
            ("maximum account active connections exceeded", .maximumConnections),
            ("maximum payload", .maximumPayload),
            ("maximum control line exceeded", .controlLineExceeded),
            ("unknown protocol operation", .unknownOperation),
            ("secure connection - tls required", .tlsRequired),
            ("invalid publish subject", .invalidPublishSubject),
            ("invalid subject", .invalidSubject),
        ]
        if lower.hasPrefix("permissions violation for publish") {
            self = .publishPermission(subject: Self.quoted(text).first ?? "")
        } else if lower.hasPrefix("permissions violation for subscription") {
            let names = Self.quoted(text)
            self = .subscriptionPermission(subject: names.first ?? "", queue: names.count > 1 ? names[1] : nil)
        } else {
            self = fixed.first { lower.hasPrefix($0.0) }?.1 ?? .other
        }
    }

    /// Whether the server closes the connection after it.
    public var closesConnection: Bool {
        switch self {
        case .publishPermission, .subscriptionPermission, .invalidSubject, .invalidPublishSubject, .other: false
        default: true
        }
    }

    /// Whether the server refuses who we are: to try again at once with the same credentials is of no use.
    public var refusesCredentials: Bool {
        switch self {
        case .authorizationViolation, .authenticationTimeout, .authenticationExpired: true
        default: false
        }
    }

    private static func trimmed(_ text: String) -> String {
        var text = text[...]
        while let first = text.first, first == "'" || first == " " { text.removeFirst() }
        while let last = text.last, last == "'" || last == " " { text.removeLast() }
        return String(text)
    }

    /// The texts between double quotes; a subject may hold quotes itself, so the last one of a part closes it.
    private static func quoted(_ text: String) -> [String] {
        let marker = "\" using queue \""
        guard let open = text.firstIndex(of: "\""), let close = text.lastIndex(of: "\""), open < close
        else { return [] }
        let inner = text[text.index(after: open)..<close]
        var start = inner.startIndex
        while start < inner.endIndex {
            if inner[start...].hasPrefix(marker) {
                return [String(inner[..<start]), String(inner[inner.index(start, offsetBy: marker.count)...])]
            }
            start = inner.index(after: start)
        }
        return [String(inner)]
    }
}
