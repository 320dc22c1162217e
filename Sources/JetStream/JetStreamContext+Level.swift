import KVModel
public import NATSProtocol

extension JetStreamContext {
    /// The API level of the servers that keep the account's streams; 0 for servers before 2.11.
    ///
    /// It may be another than that of the server connected to: in a cluster of several versions, and behind a domain or
    /// an API prefix. The level says which features there are: 1 for 2.11, 2 for 2.12, 4 for 2.14.
    public func apiLevel() async throws -> Int {
        let reply = try await accountInformation()
        return Int(clamping: reply["api"]?["level"]?.integer ?? 0)
    }

    /// The version of the server whose features an API level stands for, given that of the server connected to.
    public static func version(ofLevel level: Int, connectedTo version: ServerVersion) -> ServerVersion {
        let minors = [(level: 5, minor: 15), (level: 4, minor: 14), (level: 2, minor: 12), (level: 1, minor: 11)]
        guard let known = minors.first(where: { level >= $0.level }) else {
            // Servers without a level do not tell one version from another by it.
            return min(version, ServerVersion(major: 2, minor: 10, patch: .max))
        }
        let least = ServerVersion(major: 2, minor: known.minor, patch: 0)
        let isOfLevel = version.major == 2 && version.minor == known.minor
        return isOfLevel || (level > 5 && version > least) ? version : least
    }
}
