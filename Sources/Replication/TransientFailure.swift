import JetStream
import NATSClient

extension Error {
    /// Whether the same may succeed once the server, or the way to it, is back.
    var mayPass: Bool {
        if isTransient { return true }
        guard let error = self as? JetStreamError else { return false }
        // A cluster of which a node is down, or just back.
        return error.serverCode == 10_005 && error.text.contains("offline")
    }
}
