/// Why `RawNATS` could not do what it was asked.
public enum RawNATSError: Error, CustomStringConvertible {
    /// The server closed the connection.
    case closed
    /// Nothing came in time.
    case timeout
    /// The server's `-ERR` line.
    case refused(String)
    /// Nobody listens on the subject.
    case noResponders(String)
    /// The JetStream API answered with an error.
    case api(code: Int, errorCode: Int, description: String)
    /// Something that the protocol does not allow.
    case malformed(String)

    /// One line for a test's output.
    public var description: String {
        switch self {
        case .closed: "the server closed the connection"
        case .timeout: "no answer in time"
        case .refused(let text): "the server refused: \(text)"
        case .noResponders(let subject): "no responders on \(subject)"
        case .api(let code, let errorCode, let text): "JetStream: \(text) (\(code)/\(errorCode))"
        case .malformed(let text): "not understood: \(text)"
        }
    }
}
