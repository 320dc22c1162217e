import JetStream
import KVModel

/// What a server must say of a stream after it was restored: pure.
///
/// A record with a bad hash, a wrong storage or a limit makes servers drop messages, and their answer is no error.
struct ExactOutcome: Sendable, Equatable {
    /// How many messages were sent.
    var sent: UInt64
    /// The sequence of the first of them.
    var first: UInt64
    /// The last sequence, whether or not it has a message.
    var end: UInt64

    /// Whether everything arrived; `alive` is how many of what was sent cannot have expired meanwhile.
    func isWhole(_ state: StreamInfo.State, alive: UInt64) -> Bool {
        guard state.lastSequence == end, state.messages <= sent, state.messages >= alive else { return false }
        return state.messages < sent || sent == 0 || state.firstSequence == first
    }

    /// That not everything arrived.
    func failure(_ state: StreamInfo.State, _ what: String, _ bucket: BucketName) -> ReplicationError {
        ReplicationError(
            .notEqual,
            bucket: bucket.rawValue,
            text: "\(what) \(state.messages) of \(sent) entries, revisions \(state.firstSequence) to "
                + "\(state.lastSequence) instead of \(first) to \(end)",
            hint: "that was deleted again; restore with --mode replay, and look into the server's log"
        )
    }
}
