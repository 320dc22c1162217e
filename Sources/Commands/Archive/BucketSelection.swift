import KVModel
import KeyValue

/// The buckets that references mean on one cluster.
struct BucketSelection: Sendable {
    /// The buckets, in the order of the references, each once.
    private(set) var buckets: [Bucket] = []
    /// Why references mean no bucket, and which buckets that they mean do not answer.
    private(set) var failures: [Failure] = []

    /// Finds them; a reference that means no bucket, or one that does not answer, is a failure beside the others, a
    /// server that cannot answer an error.
    init(_ references: [BucketReference], in account: Buckets) async throws {
        let all = references.contains { $0.name == nil } ? try await account.survey() : BucketSurvey()
        for reference in references {
            do {
                try await add(reference, of: account, all.buckets, silent: all.failures)
            } catch let error as KeyValueError {
                failures.append(Failure(error))
            } catch let error as CommandError {
                failures.append(Failure(error))
            }
        }
    }

    private mutating func add(
        _ reference: BucketReference,
        of account: Buckets,
        _ all: [Bucket],
        silent: [KeyValueError]
    ) async throws {
        if let name = reference.name {
            guard !buckets.contains(where: { $0.name == name }) else { return }
            buckets.append(try await account.answer(of: name).get())
        } else {
            let fitting = all.filter { reference.pattern.matches($0.name.rawValue) }
            // What does not answer is meant all the same: without a word it would be taken for backed up.
            let missed = silent.filter { reference.pattern.matches($0.bucket?.rawValue ?? "") }.map { Failure($0) }
            guard !fitting.isEmpty || !missed.isEmpty else { throw Self.nothing(reference, known: all.map(\.name)) }
            failures += missed.filter { !failures.contains($0) }
            let known = Set(buckets.map(\.name))
            buckets += fitting.filter { !known.contains($0.name) }
        }
    }

    private static func nothing(_ reference: BucketReference, known: [BucketName]) -> CommandError {
        let names = known.prefix(10).map(\.rawValue).joined(separator: ", ")
        return CommandError(
            .nothingMatches,
            text: "no bucket fits \"\(reference)\"",
            hint: known.isEmpty
                ? "this account has no buckets; check the server and the credentials"
                : "there are \(names)\(known.count > 10 ? ", …" : "")"
        )
    }
}
