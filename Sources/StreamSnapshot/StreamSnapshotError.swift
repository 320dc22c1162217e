/// What is wrong with a snapshot, where in it, and what to do about it.
public struct StreamSnapshotError: Error, Sendable, Equatable {
    /// The kind of failure, for code that decides by it.
    public enum Code: Sendable, Hashable {
        /// The snapshot ends too early.
        case truncated
        /// Bytes that no sound snapshot has.
        case corrupt
        /// A form of snapshot that is not read here.
        case unsupported
        /// Something is larger than any server makes it.
        case tooLarge
        /// The server wrote into the snapshot that it could not make it.
        case serverFailed
        /// What was given to a writer does not make a snapshot.
        case invalid
    }

    /// The kind of failure.
    public let code: Code
    /// Where: the layer, and the byte in it.
    public let place: String
    /// What was seen there.
    public let text: String

    /// A failure of this kind at a place.
    public init(_ code: Code, at place: String, _ text: String) {
        self.code = code
        self.place = place
        self.text = text
    }

    /// What to do about it.
    public var hint: String {
        switch code {
        case .truncated: "the file is cut off: copy it again, or make a new backup"
        case .corrupt: "the file is damaged: copy it again, or make a new backup"
        case .unsupported: "restore it into a server, and back that up"
        case .tooLarge: "no server makes such a snapshot: check that this is one"
        case .serverFailed: "make a new backup"
        case .invalid: "this cannot be written in this snapshot format"
        }
    }
}

extension StreamSnapshotError: CustomStringConvertible {
    /// One sentence: where, what, and what to do.
    public var description: String { "\(place): \(text); \(hint)" }
}
