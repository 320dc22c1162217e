import JetStream
import NATSClient

extension Error {
    /// Whether the same may succeed once the server, or the way to it, is back.
    var mayPass: Bool {
        switch self {
        case let error as NATSError:
            [.timeout, .disconnected, .noResponders, .staleConnection].contains(error.code)
        case let error as JetStreamError:
            error.isTransient || error.code == .unavailable
                // A cluster of which a node is down, or just back.
                || error.serverCode == 10_005 && error.text.contains("offline")
        default:
            false
        }
    }
}
