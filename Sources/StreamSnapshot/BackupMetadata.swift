public import KVModel

/// What `nats stream backup` writes beside a snapshot, as `backup.json`: the stream's configuration and state.
///
/// Every version of the command line writes the same two members, as the server's snapshot response has them.
public struct BackupMetadata: Sendable, Hashable {
    /// The file's name in a backup folder.
    public static let fileName = "backup.json"
    /// The name of the snapshot beside it.
    public static let snapshotFileName = "stream.tar.s2"
    /// Larger files are no `backup.json`.
    public static let maximumBytes = JSONText.maximumBytes

    /// The stream's configuration.
    public var configuration: JSONValue
    /// The stream's state when the snapshot began.
    public var state: SnapshotState

    /// Metadata of these parts.
    public init(configuration: JSONValue, state: SnapshotState) {
        self.configuration = configuration
        self.state = state
    }

    /// Reads a `backup.json`.
    public init(_ bytes: [UInt8]) throws(StreamSnapshotError) {
        guard bytes.count <= Self.maximumBytes else {
            throw StreamSnapshotError(.tooLarge, at: Self.fileName, "it has \(bytes.count) bytes")
        }
        let json = try JSONText.decode(bytes, Self.fileName)
        guard let configuration = json["config"], configuration["name"]?.string?.isEmpty == false else {
            throw StreamSnapshotError(.corrupt, at: Self.fileName, "it holds no stream configuration")
        }
        guard let state = json["state"], state.object != nil else {
            throw StreamSnapshotError(.corrupt, at: Self.fileName, "it holds no stream state")
        }
        self.init(configuration: configuration, state: SnapshotState(json: state))
    }

    /// The bytes of a `backup.json`, which is also what a server's restore request takes.
    public func encoded() throws(StreamSnapshotError) -> [UInt8] {
        try JSONText.encode(["config": configuration, "state": state.json], pretty: true)
    }
}
