import NATSProtocol

/// The machine of one connection: whatever happens in whatever order, it keeps its promises.
///
/// The first byte of an input chooses how it is encrypted, each further byte is an event.
enum MachineEvents {
    /// What was seen so far of one connection.
    private struct Account {
        var flushes: Set<UInt64> = []
        var isAuthenticated = false
        var isEstablished = false
        var isEncrypted: Bool
        var isOver = false
    }

    static func read(_ bytes: [UInt8]) throws {
        guard let first = bytes.first else { return }
        let securities: [ConnectionMachine.Security] = [.automatic, .required, .first]
        let security = securities[Int(first) % securities.count]
        var machine = ConnectionMachine(security: security, maximumPingsOutstanding: Int(first) / 3 % 4)
        var account = Account(isEncrypted: security == .first)
        for (index, byte) in bytes.dropFirst().enumerated() {
            let event = event(byte, number: UInt64(index) + 1)
            if byte & 0x40 != 0 { machine.heard() }
            let wasReady = machine.isReady
            let actions = machine.event(event)
            try ProtocolReader.check(!account.isOver || actions.isEmpty, "nothing is done after the end")
            if case .flush(let id) = event, wasReady { account.flushes.insert(id) }
            for action in actions { try follow(action, &account) }
            try ProtocolReader.check(machine.isEnded == account.isOver, "an end is told")
            try ProtocolReader.check(
                machine.isReady == (account.isEstablished && !account.isOver),
                "it is ready once it was told so"
            )
        }
    }

    private static func follow(_ action: ConnectionMachine.Action, _ account: inout Account) throws {
        switch action {
        case .startTLS:
            try ProtocolReader.check(!account.isEncrypted && !account.isAuthenticated, "it encrypts once, and first")
            account.isEncrypted = true
        case .authenticate:
            try ProtocolReader.check(!account.isAuthenticated, "it authenticates once")
            account.isAuthenticated = true
        case .established:
            try ProtocolReader.check(account.isAuthenticated && !account.isEstablished, "it is established once")
            account.isEstablished = true
        case .infoChanged, .lameDuck, .report:
            try ProtocolReader.check(account.isEstablished, "news come after the handshake")
        case .completeFlush(let id):
            try ProtocolReader.check(account.flushes.remove(id) != nil, "a flush is completed once, if asked for")
        case .ended(_, let flushes):
            try ProtocolReader.check(!account.isOver, "it ends once")
            try ProtocolReader.check(Set(flushes) == account.flushes, "an end names every flush that waits")
            account.isOver = true
        case .sendPing, .sendPong, .close: break
        }
    }

    private static func event(_ byte: UInt8, number: UInt64) -> ConnectionMachine.Event {
        switch byte & 0x0F {
        case 0, 1, 14:
            var info = ServerInfo()
            info.tlsRequired = byte & 0x10 != 0
            info.tlsAvailable = byte & 0x20 != 0
            info.lameDuckMode = byte & 0x80 != 0
            info.nonce = byte & 1 != 0 ? "n" : nil
            return .info(info)
        case 2, 3: return .pong
        case 4: return .ping
        case 5, 6: return .flush(id: number)
        case 7: return .tick(readingPaused: byte & 0x10 != 0)
        case 8, 9: return .tick(readingPaused: false)
        case 10: return .serverError(byte & 0x10 != 0 ? "Authorization Violation" : "Unknown Something")
        case 11: return byte & 0x30 == 0x30 ? .handshakeTimeout : .pong
        case 12: return byte & 0xF0 == 0xF0 ? .malformed(ProtocolError(.malformedFrame, cause: "x")) : .ping
        case 13: return byte & 0xF0 == 0xF0 ? .closed(nil) : .flush(id: number)
        default: return byte & 0xF0 == 0xF0 ? .leave : .pong
        }
    }
}
