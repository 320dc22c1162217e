import KVModel

/// Keeps a mirror's record: what it should say, and what it says.
struct MirrorKeeper {
    /// What it should say.
    var record: MirrorRecord
    /// Whether it is being written or read.
    private(set) var isBusy = false
    private let records: MirrorRecords
    private let key: Key
    private var held: MirrorRecords.Held

    /// What it says.
    var kept: MirrorRecord { held.record }

    init(_ records: MirrorRecords, _ held: MirrorRecords.Held) {
        self.records = records
        self.held = held
        record = held.record
        key = held.record.key
    }

    /// The work that brings the record up to date, or only makes sure that it is still this run's; `end` takes its result.
    mutating func begin() -> @Sendable () async -> Result<MirrorRecords.Held, any Error> {
        isBusy = true
        let (records, key, held) = (records, key, held)
        guard let wanted = wanted() else {
            return { await Self.result { try await records.confirm(held, under: key) } }
        }
        return { await Self.result { try await records.write(wanted, under: key, expecting: held.revision) } }
    }

    /// Takes what came of that.
    mutating func end(_ result: Result<MirrorRecords.Held, any Error>) throws {
        isBusy = false
        adopt(try result.get())
    }

    private mutating func adopt(_ found: MirrorRecords.Held) {
        guard found.revision >= held.revision else { return }
        held = found
        record.updated = found.record.updated
    }

    /// Brings the record up to date, and waits.
    mutating func keep() async throws {
        guard let wanted = wanted() else { return }
        let deadline = ContinuousClock.now + .seconds(20)
        while true {
            do {
                adopt(try await records.write(wanted, under: key, expecting: held.revision))
                return
            } catch  where error.mayPass && ContinuousClock.now < deadline {
                try await Task.sleep(for: .milliseconds(100))
            }
        }
    }

    /// Brings the record up to date within about a second, cancelled or not.
    ///
    /// A connection that the cancelled task has opened ends with it, so this may take one of its own. Without it the next
    /// run finds some entries in the target already.
    mutating func keepBriefly() async {
        guard let wanted = wanted() else { return }
        let (records, key, revision) = (records, key, held.revision)
        let work = Task {
            await Self.result { try await records.writeAnyhow(wanted, under: key, expecting: revision) }
        }
        let limit = Task {
            try await Task.sleep(for: .milliseconds(1200))
            work.cancel()
        }
        if case .success(let held) = await work.value { adopt(held) }
        limit.cancel()
    }

    /// What is to be written, if it is not what is there.
    private func wanted() -> MirrorRecord? {
        guard record != held.record else { return nil }
        var wanted = record
        wanted.updated = Timestamp.wallClock().description
        return wanted
    }

    private static func result<Value>(_ body: () async throws -> Value) async -> Result<Value, any Error> {
        do { return .success(try await body()) } catch { return .failure(error) }
    }
}
