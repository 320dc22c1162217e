import JetStream
import KVModel
import KeyValue
import StreamSnapshot

extension ExactRestore {
    /// How long the mirror may stand still.
    private static let mirrorPatience = Duration.seconds(30)

    /// Restores into a stream in file storage for the time being, and makes the bucket out of a mirror of that.
    ///
    /// A mirror ends with its origin's last message: where the last revision has no entry, a message stands in for it
    /// until the mirror has it.
    mutating func promoteMirror(_ fenced: BucketConfiguration) async throws {
        let staging = RestoreFence.stagingName(of: name)
        _ = try await upload(
            self.staging(fenced, staging),
            .messageBlocks(.left),
            lastSubject: RestoreFence.stagingSubject(of: name)
        )
        let hasStandIn = prepared.revision > totals.lastMessage
        var mirror = fenced
        mirror.stream["subjects"] = nil
        mirror.stream["mirror"] = ["name": .string(staging)]
        // Without it mirrors up to 2.12 stop at the first purge.
        mirror.stream["allow_rollup_hdrs"] = true
        // These cannot be taken back; the last step sets them as they shall be.
        mirror.stream["deny_delete"] = false
        mirror.stream["deny_purge"] = false
        for field in ["allow_atomic", "allow_batched", "discard_new_per_subject"] { mirror.stream[field] = nil }
        _ = try await context.createStream(mirror.stream)
        try await awaitMirror()
        mirror.stream["mirror"] = nil
        mirror.stream["subjects"] = fenced.stream["subjects"]
        _ = try await context.updateStream(mirror.stream)
        if hasStandIn { try await context.deleteMessage(name.streamName, at: prepared.revision) }
        try check(try await context.streamInfo(name.streamName).state, "the mirror holds")
        try await context.deleteStream(staging)
    }

    /// The configuration of the stream for the time being: nothing in it is limited or expires.
    private func staging(_ fenced: BucketConfiguration, _ staging: String) -> JSONValue {
        var stream: JSONValue = [
            "name": .string(staging), "retention": "limits", "storage": "file", "discard": "new",
            "max_msgs_per_subject": -1, "max_msgs": -1, "max_bytes": -1, "max_msg_size": -1, "max_consumers": -1,
            "max_age": 0, "num_replicas": 1, "allow_rollup_hdrs": true,
            "subjects": [.string(RestoreFence.stagingSubject(of: name))],
        ]
        for field in ["metadata", "description", "placement"] { stream[field] = fenced.stream[field] }
        return stream
    }

    private func awaitMirror() async throws {
        let clock = ContinuousClock()
        var seen: UInt64 = 0
        var since = clock.now
        while true {
            let last = try await context.streamInfo(name.streamName).state.lastSequence
            if last >= prepared.revision { return }
            if last > seen { (seen, since) = (last, clock.now) }
            guard since.duration(to: clock.now) < Self.mirrorPatience else {
                throw ReplicationError(
                    .targetRefuses,
                    bucket: name.rawValue,
                    text: "the mirror that was to become it stopped at revision \(last) of \(prepared.revision)",
                    hint: "what was made was deleted again; restore with --mode replay"
                )
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }
}
