package import Archive
package import KVModel

extension ArchiveReader {
    /// What the bucket held at a revision, found on a thread of its own.
    ///
    /// All that the archive has of the incarnation up to there is unpacked for it: of a large one that takes as long as
    /// leases last, which must be renewed meanwhile.
    package func scannedState(
        of id: IncarnationID,
        at revision: Revision,
        asOf time: Timestamp? = nil,
        filter: [KeyPattern] = [],
        historyMode: HistoryMode = .bucket
    ) async throws -> BucketState {
        try await onOwnThread { _ in
            try self.state(of: id, at: revision, asOf: time, filter: filter, historyMode: historyMode)
        }
    }

    /// What `changedTotals` says, on a thread of its own too.
    package func reckonedTotals(of id: IncarnationID, at revision: Revision) async throws -> StateTotals? {
        try await onOwnThread { _ in try self.changedTotals(of: id, at: revision) }
    }
}
