import Crypto
import Foundation
import TestSupport

extension HostileSession {
    /// The request for a WebSocket, without its last line.
    func upgradeRequest() throws -> [String] {
        var lines: [String] = []
        while true {
            let line = try self.line()
            if line.isEmpty { return lines }
            lines.append(line)
        }
    }

    /// What a server answers that agrees to a request, with headers of a test's own.
    static func agreement(to request: [String], adding headers: String = "") -> String {
        let line = request.first { $0.lowercased().hasPrefix("sec-websocket-key:") }
        let key = line?.split(separator: ":", maxSplits: 1).last?.trimmingCharacters(in: .whitespaces) ?? ""
        let digest = Insecure.SHA1.hash(data: Data((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").utf8))
        return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            + "Sec-WebSocket-Accept: \(Data(digest).base64EncodedString())\r\n\(headers)\r\n"
    }

    /// Agrees, and sends bytes in the same breath.
    func agree(_ bytes: [UInt8] = [], adding headers: String = "") throws {
        let agreement = Self.agreement(to: try upgradeRequest(), adding: headers)
        try send(Array(agreement.utf8) + bytes)
    }
}
