import JetStream
import KVModel
import KeyValue

extension Migration {
    /// Has the server make streams of the new configuration under another name, and deletes them.
    func tryConfiguration(_ state: MigrationState) async throws {
        try await patiently {
            try await ServerProbe.checkMaking(name, exactly: state.isExact, buckets.context)
        }
        let trial = MigrationTrial(state, of: name)
        do {
            do {
                try await attempt(trial.whole, trial.stream)
            } catch let error as JetStreamError where error.code == .insufficientResources {
                // The old bucket gives back what it has reserved.
                guard let beyond = trial.beyond else { throw error }
                try await attempt(beyond, trial.stream)
            }
            for configuration in trial.room { try await attempt(configuration, trial.stream) }
        } catch let error as JetStreamError where !error.mayPass {
            throw ReplicationError.refused(
                error,
                bucket: name,
                hint: "nothing was changed; "
                    + (error.code == .insufficientResources
                        ? "there must be room for \(SizeText.text(bytes: Int64(clamping: state.bytes)))"
                            + " and for one more stream while it is tried" : "give other settings")
            )
        }
    }

    /// Deletes the trial's stream, if there is one.
    func removeTrial(_ state: MigrationState) async throws {
        try await remove(MigrationTrial(state, of: name).stream)
    }

    private func attempt(_ configuration: JSONValue, _ stream: String) async throws {
        try await patiently {
            try await remove(stream)
            _ = try await buckets.context.createStream(configuration)
            try await remove(stream)
        }
    }

    private func remove(_ stream: String) async throws {
        do {
            try await buckets.context.deleteStream(stream)
        } catch let error as JetStreamError where error.code == .streamNotFound {
            // There was none.
        }
    }
}
