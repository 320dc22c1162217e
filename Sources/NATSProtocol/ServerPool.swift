/// Decides which server to try next, and when.
///
/// Given servers stay for ever; discovered ones come and go with the `connect_urls` of the server in use, up to
/// ``discoveredLimit`` of them. A round tries every server once without waiting; between rounds the policy's back-off
/// holds.
public struct ServerPool: Sendable, Equatable {
    /// What to do next.
    public enum Step: Sendable, Equatable {
        /// Dial this server after a pause.
        case dial(ServerAddress, after: Duration)
        /// The policy allows no further attempt.
        case giveUp
    }

    private struct Member: Sendable, Equatable {
        let address: ServerAddress
        let isGiven: Bool
        /// Refusals of our credentials in succession.
        var refusals = 0
        var isLeaving = false
    }

    /// A server that refuses our credentials so often in succession is asked no more.
    private static let refusalLimit = 2

    /// So many discovered servers are remembered; a longer list is taken from its beginning.
    public static let discoveredLimit = 256

    private let policy: ReconnectPolicy
    private var members: [Member]
    /// The servers that this round has yet to try.
    private var untried: [String]
    private var failedRounds = 0
    private var hasConnected = false

    /// Whether every server was tried since the last established connection, in vain.
    public private(set) var hasTriedAll = false

    /// The server in use or dialled last.
    public private(set) var current: ServerAddress?

    /// Makes a pool of the servers that the user gave; doubles are dropped.
    public init(servers: [ServerAddress], policy: ReconnectPolicy) {
        self.policy = policy
        members = []
        for address in servers where !members.contains(where: { $0.address.identity == address.identity }) {
            members.append(Member(address: address, isGiven: true))
        }
        untried = members.map(\.address.identity)
    }

    /// Every server known, in the order in which they are tried.
    public var servers: [ServerAddress] { members.map(\.address) }

    /// Whether there is a server to go to if the current one leaves.
    public var hasAlternative: Bool {
        members.contains {
            !$0.isLeaving && $0.address.identity != current?.identity && $0.refusals < Self.refusalLimit
        }
    }

    /// The next server to dial; `random` is a number from 0 up to 1.
    public mutating func next(random: Double) -> Step {
        if case .rounds(let limit) = policy.attempts, failedRounds > 0 || hasConnected,
            failedRounds >= limit
        {
            return .giveUp
        }
        if let member = takeUntried() {
            return dial(member, after: untried.count == members.count - 1 ? pause(random) : .zero)
        }
        beginRound()
        if case .rounds(let limit) = policy.attempts, failedRounds >= limit { return .giveUp }
        guard let member = takeUntried() else { return .giveUp }
        return dial(member, after: pause(random))
    }

    /// The dialled server is connected: the next loss begins afresh.
    public mutating func connected() {
        guard let current else { return }
        hasConnected = true
        failedRounds = 0
        hasTriedAll = false
        update(current) {
            $0.refusals = 0
            $0.isLeaving = false
        }
        untried = []
    }

    /// The connection in use was lost: other servers first, then the one that was lost.
    public mutating func lost() {
        failedRounds = 0
        hasTriedAll = false
        let identity = current?.identity
        let others = members.filter { $0.address.identity != identity && !$0.isLeaving }
        let last = members.filter { $0.address.identity == identity || $0.isLeaving }
        untried = (others + last).map(\.address.identity)
    }

    /// The dialled server could not be reached, or refused our credentials.
    public mutating func failed(refused: Bool) {
        guard let current else { return }
        update(current) { $0.refusals = refused ? $0.refusals + 1 : 0 }
        if !untried.contains(where: { isUsable($0) }) { hasTriedAll = true }
    }

    /// The server in use will shut down; true if there is another to go to.
    public mutating func lameDuck() -> Bool {
        guard let current else { return false }
        update(current) { $0.isLeaving = true }
        return hasAlternative
    }

    /// Takes the `connect_urls` of the server in use and returns the endpoints that were not known before.
    @discardableResult
    public mutating func discovered(_ urls: [String]) -> [String] {
        guard !urls.isEmpty, let current else { return [] }
        // The list is a server's word: what cannot be read is passed over.
        let addresses = urls.prefix(Self.discoveredLimit).compactMap { url in
            (try? ServerAddress(url)).map { inherited($0, from: current) }
        }
        let identities = Set(addresses.map(\.identity))
        members.removeAll {
            !$0.isGiven && !identities.contains($0.address.identity) && $0.address.identity != current.identity
        }
        var known = Set(members.map(\.address.identity))
        var new: [String] = []
        for address in addresses where known.insert(address.identity).inserted {
            members.append(Member(address: address, isGiven: false))
            new.append(address.endpoint)
        }
        return new
    }

    /// A discovered address is reached, and identifies itself, as the server that told of it.
    private func inherited(_ address: ServerAddress, from origin: ServerAddress) -> ServerAddress {
        let name = origin.certificateName ?? (origin.isNumeric ? nil : origin.host)
        return ServerAddress(
            host: address.host,
            port: address.port,
            transport: origin.transport,
            path: origin.path,
            requiresTLS: origin.requiresTLS || address.requiresTLS,
            user: origin.user,
            password: origin.password,
            token: origin.token,
            certificateName: address.isNumeric ? name : nil
        )
    }

    private mutating func dial(_ address: ServerAddress, after delay: Duration) -> Step {
        current = address
        return .dial(address, after: delay)
    }

    private func pause(_ random: Double) -> Duration {
        policy.delay(afterRound: failedRounds, random: random)
    }

    private mutating func beginRound() {
        failedRounds += 1
        untried = members.map(\.address.identity)
    }

    private mutating func takeUntried() -> ServerAddress? {
        while !untried.isEmpty {
            let identity = untried.removeFirst()
            if isUsable(identity), let member = members.first(where: { $0.address.identity == identity }) {
                return member.address
            }
        }
        return nil
    }

    private func isUsable(_ identity: String) -> Bool {
        members.contains { $0.address.identity == identity && $0.refusals < Self.refusalLimit }
    }

    private mutating func update(_ address: ServerAddress, _ change: (inout Member) -> Void) {
        guard let index = members.firstIndex(where: { $0.address.identity == address.identity }) else { return }
        change(&members[index])
    }
}
