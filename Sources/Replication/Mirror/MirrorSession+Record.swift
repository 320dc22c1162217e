import JetStream
import KVModel
import KeyValue

extension MirrorSession {
    mutating func keepIfDue(_ group: inout DiscardingTaskGroup) {
        let now = clock.now
        guard now >= nextRecord, !keeper.isBusy else { return }
        nextRecord = now.advanced(by: Self.recordInterval)
        updateRecord()
        let (work, inbox) = (keeper.begin(), inbox)
        group.addTask { inbox.put(.recorded(await work())) }
    }

    mutating func recorded(_ result: Result<MirrorRecords.Held, any Error>) throws {
        do {
            try keeper.end(result)
            state.resumeRevision = keeper.kept.resumeRevision
        } catch  where error.mayPass {
            note(error)
        }
    }

    mutating func updateRecord() {
        keeper.record.resumeRevision = window.resumeRevision
        keeper.record.targetSequence = lastAcknowledged
        let isExact = window.isEmpty && lastRead?.revision == window.resumeRevision
        keeper.record.resumeTime = isExact ? lastRead?.time.nanoseconds ?? 0 : 0
    }

    /// Writes the record and waits for it.
    mutating func keep() async throws {
        updateRecord()
        try await keeper.keep()
        fillReport()
    }

    /// Writes the record although the task is cancelled, if that does not take long; nothing is lost if it is not.
    mutating func keepWhenStopped() async {
        updateRecord()
        await keeper.keepBriefly()
        fillReport()
    }

    mutating func fillReport() {
        report.resumeRevision = keeper.kept.resumeRevision
        report.skipped += window.skipped - counted.skipped
        report.expired += window.expired - counted.expired
        report.superseded += window.superseded - counted.superseded
        counted = (window.skipped, window.expired, window.superseded)
    }
}
