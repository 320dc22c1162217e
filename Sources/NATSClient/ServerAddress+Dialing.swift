import NATSProtocol
import NIOCore
import NIOSOCKS

/// How an address is written where it is dialled.
extension ServerAddress {
    /// What a SOCKS proxy is asked to connect to; names are left to it.
    var socksTarget: SOCKSAddress {
        if isNumeric, let address = try? SocketAddress(ipAddress: host, port: port) { return .address(address) }
        return .domain(host, port: port)
    }

    /// The `Host` of HTTP: IPv6 addresses in brackets and without a zone, and no port where it is the usual one.
    var hostHeader: String {
        let name = host.contains(":") ? "[\(host.prefix { $0 != "%" })]" : host
        return port == (requiresTLS ? 443 : 80) ? name : "\(name):\(port)"
    }
}
