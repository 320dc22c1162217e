import Foundation
import TestSupport

/// A server that is a leaf node of another; each has a JetStream domain of its own.
struct LeafAndHub {
    let leaf: ServerProcess
    let hub: ServerProcess
    let folder: TemporaryDirectory

    init(_ binary: ServerBinary) async throws {
        let folder = try TemporaryDirectory("domains")
        let port = try FreePort.next()
        func options(_ domain: String, _ leafnodes: String) -> ServerProcess.Options {
            let configuration = """
                jetstream { store_dir: "\(folder.file(domain))", domain: \(domain) }
                leafnodes { \(leafnodes) }
                """
            return ServerProcess.Options(configuration: configuration, jetStream: false)
        }
        let hub = try await ServerProcess.start(binary, options: options("hub", "listen: \"127.0.0.1:\(port)\""))
        let leaf = try await ServerProcess.start(
            binary,
            options: options("leaf", "remotes: [ { url: \"nats-leaf://127.0.0.1:\(port)\" } ]")
        )
        try await eventually("the leaf node's connection", timeout: .seconds(20)) {
            hub.log.contains("Leafnode connection created") || leaf.log.contains("Leafnode connection created")
        }
        (self.leaf, self.hub, self.folder) = (leaf, hub, folder)
    }

    func close() {
        leaf.close()
        hub.close()
        folder.remove()
    }
}
