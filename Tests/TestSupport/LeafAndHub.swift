import Foundation

/// A server that is a leaf node of another; each has a JetStream domain of its own, `leaf` and `hub`.
public struct LeafAndHub: Sendable {
    /// The leaf node.
    public let leaf: ServerProcess
    /// The server that it is a leaf of.
    public let hub: ServerProcess
    /// Holds what the servers share.
    public let folder: TemporaryDirectory

    /// Starts both, of one version or of two, and waits until they are connected.
    public init(_ binary: ServerBinary, hub hubBinary: ServerBinary? = nil) async throws {
        let folder = try TemporaryDirectory("domains")
        let port = try FreePort.next()
        func options(_ domain: String, _ leafnodes: String) -> ServerProcess.Options {
            let configuration = """
                jetstream { store_dir: "\(folder.file(domain))", domain: \(domain) }
                leafnodes { \(leafnodes) }
                """
            return ServerProcess.Options(configuration: configuration, jetStream: false)
        }
        let hub = try await ServerProcess.start(
            hubBinary ?? binary,
            options: options("hub", "listen: \"127.0.0.1:\(port)\"")
        )
        let leaf = try await ServerProcess.start(
            binary,
            options: options("leaf", "remotes: [ { url: \"nats-leaf://127.0.0.1:\(port)\" } ]")
        )
        try await eventually("the leaf node's connection", timeout: .seconds(20)) {
            hub.log.contains("Leafnode connection created") || leaf.log.contains("Leafnode connection created")
        }
        (self.leaf, self.hub, self.folder) = (leaf, hub, folder)
    }

    /// Kills both and removes their directories.
    public func close() {
        leaf.close()
        hub.close()
        folder.remove()
    }
}
