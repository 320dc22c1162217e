import HTTPTypes

/// Who may ask the HTTP face for what: a pure rule over the few things of a request that count.
///
/// On loopback the face trusts whoever is on the machine, but not what a web page makes a browser there do: the `Host`
/// must be the machine's own name (a name that was rebound to 127.0.0.1 is not), and whatever changes something must
/// prove that it comes from the face's own page or from no browser at all. With a token, everything but the health
/// checks and the sign-in form needs it.
struct AccessRule: Sendable {
    /// What counts of a request.
    struct Asked: Sendable {
        /// Whether it may change something.
        var changes = false
        /// Whether it is for everybody: the health checks and the sign-in form.
        var isOpen = false
        /// The `Host`, with its port.
        var authority: String?
        var origin: String?
        /// The header `Sec-Fetch-Site`.
        var fetchSite: String?
        /// Whether it has the header that no form and no simple request of a foreign page can have.
        var hasProof = false
        /// The header `Authorization`.
        var authorization: String?
        /// The session cookie's value.
        var session: String?
        /// Nanoseconds since 1970.
        var now: Int64 = 0
    }

    /// The header that tells a program's request from a browser's.
    static let proofHeader = "X-Cistern-Request"

    /// The address that the face is bound to, as configured.
    var host: String
    /// Whether connections are encrypted.
    var isSecure: Bool
    var token: TokenGate?

    /// Whether an address can be reached from this machine only.
    static func isLoopback(_ host: String) -> Bool {
        let host = bare(host)
        if host == "localhost" || host == "::1" { return true }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }

    /// Whether a request bears what the token demands; true if there is no token.
    func knows(_ asked: Asked) -> Bool {
        guard let token else { return true }
        return token.accepts(authorization: asked.authorization)
            || asked.session.map { token.accepts(session: $0, now: asked.now) } == true
    }

    /// Why a request is refused; nil if it is allowed.
    func refusal(of asked: Asked) -> FaceError? {
        guard let authority = asked.authority, !authority.isEmpty else {
            return FaceError(.badRequest, "no_host", "the request names no host", "send a Host header")
        }
        if Self.isLoopback(host), !names(authority) {
            return FaceError(
                .forbidden,
                "foreign_host",
                "this daemon is not \(authority)",
                "ask for it as localhost, 127.0.0.1 or [::1], or as the host that daemon.http names"
            )
        }
        if asked.changes, let refusal = refusalOfOrigin(asked, authority: authority) { return refusal }
        guard !asked.isOpen, !knows(asked) else { return nil }
        return FaceError(
            .unauthorized,
            "token_needed",
            "the request bears no valid token",
            "send the token of daemon.http as Authorization: Bearer TOKEN, or sign in on the page"
        )
    }

    private func refusalOfOrigin(_ asked: Asked, authority: String) -> FaceError? {
        let own = (isSecure ? "https://" : "http://") + authority.lowercased()
        if let origin = asked.origin, origin.lowercased() != own {
            return FaceError(
                .forbidden,
                "foreign_origin",
                "the request comes from another site's page (\(origin))",
                "use the daemon's own page, or a program that sends no Origin"
            )
        }
        if let site = asked.fetchSite, site != "same-origin" {
            return FaceError(
                .forbidden,
                "foreign_origin",
                "the request comes from another site's page (Sec-Fetch-Site: \(site))",
                "use the daemon's own page, or a program that sends no Sec-Fetch-Site"
            )
        }
        let bearsToken = token?.accepts(authorization: asked.authorization) == true
        guard asked.origin == nil, asked.fetchSite == nil, !asked.hasProof, !bearsToken else { return nil }
        return FaceError(
            .forbidden,
            "proof_needed",
            "nothing shows that the request does not come from another site's page",
            "send the header \(Self.proofHeader): 1"
        )
    }

    /// Whether an authority names this machine.
    private func names(_ authority: String) -> Bool {
        let name = Self.bare(Self.withoutPort(authority))
        return ["localhost", "127.0.0.1", "::1", Self.bare(host)].contains(name)
    }

    private static func withoutPort(_ authority: String) -> String {
        if authority.hasPrefix("[") {
            guard let end = authority.firstIndex(of: "]") else { return authority }
            let rest = authority[authority.index(after: end)...]
            return rest.isEmpty || isPort(rest) ? String(authority[...end]) : authority
        }
        guard let colon = authority.lastIndex(of: ":"), isPort(authority[colon...]) else { return authority }
        return String(authority[..<colon])
    }

    private static func isPort(_ text: Substring) -> Bool {
        text.first == ":" && text.dropFirst().allSatisfy { $0.isASCII && $0.isNumber }
    }

    /// A host in small letters, without the brackets of an IPv6 address.
    static func bare(_ host: String) -> String {
        let host = host.lowercased()
        return host.hasPrefix("[") && host.hasSuffix("]") ? String(host.dropFirst().dropLast()) : host
    }
}
