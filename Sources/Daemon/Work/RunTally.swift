import KVModel

/// What the parts of a run came to, and what the run came to by them.
struct RunTally: Sendable {
    /// One part, such as one bucket.
    struct Part: Sendable {
        enum Outcome: Sendable, Hashable {
            case done
            case stopped
            case failed(String)
            case different(String)
        }

        /// What it was about, as messages name it.
        var name: String
        var outcome: Outcome
        var revision: Revision?
        var entries: UInt64 = 0
        var bytes: UInt64 = 0
        /// What else is to be said of it.
        var remarks: [String] = []
    }

    /// The parts, in the order in which they ended.
    private(set) var parts: [Part] = []

    /// This many failures are told in full.
    private static let toldFailures = 5
    /// This many remarks are told.
    private static let toldRemarks = 5

    mutating func add(_ part: Part) { parts.append(part) }

    mutating func add(_ other: RunTally) { parts += other.parts }

    /// A part that failed with an error; one that was only stopped with the run has not failed.
    static func failed(_ name: String, _ error: any Error) -> Part {
        Part(name: name, outcome: Task.isCancelled ? .stopped : .failed(Explanation.of(error)))
    }

    /// The whole run.
    ///
    /// A run of which a part failed has failed, whatever the others came to.
    ///
    /// `what` says what was done to the parts that are done, `entries` what was done to entries.
    func result(_ what: String, entries verb: String, isStopped: Bool = Task.isCancelled) -> RunResult {
        var (done, failures, differences, wasStopped) = (0, [String](), [String](), isStopped)
        for part in parts {
            switch part.outcome {
            case .done: done += 1
            case .stopped: wasStopped = true
            case .failed(let text): failures.append(text.hasPrefix(part.name) ? text : "\(part.name): \(text)")
            case .different(let text): differences.append("\(part.name): \(text)")
            }
        }
        let outcome: RunRecord.Outcome =
            wasStopped ? .stopped : !failures.isEmpty ? .failed : !differences.isEmpty ? .different : .succeeded
        let moved = parts.reduce(0) { $0 + $1.entries }
        var texts = [parts.count == 1 ? "\(parts[0].name) \(what)" : "\(done) of \(parts.count) buckets \(what)"]
        if done == 0 {
            texts = [parts.count == 1 ? "\(parts[0].name) not \(what)" : "none of \(parts.count) buckets \(what)"]
        }
        if parts.isEmpty { texts = ["no bucket \(what)"] }
        texts.append("\(moved) \(moved == 1 ? "entry" : "entries") \(verb)")
        let remarks = parts.flatMap { part in
            part.remarks.map { parts.count == 1 ? $0 : "\(part.name): \($0)" }
        }
        texts += remarks.prefix(Self.toldRemarks)
        if remarks.count > Self.toldRemarks { texts.append("…") }
        if wasStopped { texts.insert("stopped at a checkpoint", at: 0) }
        let wrong = failures + differences
        var error: String? = wrong.isEmpty ? nil : wrong.prefix(Self.toldFailures).joined(separator: "\n")
        if wrong.count > Self.toldFailures { error? += "\nand \(wrong.count - Self.toldFailures) more" }
        return RunResult(
            outcome,
            revision: parts.count == 1 ? parts[0].revision : nil,
            entries: moved,
            bytes: parts.reduce(0) { $0 + $1.bytes },
            summary: texts.joined(separator: "; "),
            error: error
        )
    }
}
