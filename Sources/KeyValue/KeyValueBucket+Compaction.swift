import JetStream
import KVModel
import NATSProtocol

/// What a removal of markers did.
public struct PurgedMarkers: Sendable, Hashable {
    /// How many deleted keys were found.
    public var keys = 0
    /// How many messages were removed, markers and history.
    public var messages: UInt64 = 0
}

extension KeyValueBucket {
    /// Removes what is left of deleted keys: markers older than a time with all their history, of younger ones the
    /// history alone. With zero or less, all of them.
    ///
    /// The markers of the last half hour stay unless told otherwise, so that watches that were away for a while learn
    /// of the deletions. What is written to a key meanwhile stays. Needs the right to purge the stream.
    @discardableResult
    public func purgeDeletes(olderThan age: Duration = .seconds(1800)) async throws -> PurgedMarkers {
        // Ages are judged by the server's clock where it says the time.
        let info = try await attempt(about: nil, repeats: true) { _ in
            try await context.streamInfo(name.streamName)
        }
        let now = info.serverTime ?? .wallClock()
        var done = PurgedMarkers()
        // Markers are found and removed as they are stored: no codec needs to understand them.
        let raw = KeyValueBucket(bucket)
        var markers: [Key: (revision: Revision, created: Timestamp)] = [:]
        watching: for try await event in raw.watch(options: KeyWatchOptions(withoutValues: true)) {
            switch event {
            case .entry(let entry):
                markers[entry.key] = entry.operation == .put ? nil : (entry.revision, entry.created)
            case .undecodable(let error): throw error
            case .endOfInitialData: break watching
            }
        }
        for (key, marker) in markers.sorted(by: { $0.value.revision < $1.value.revision }) {
            let isOld = age <= .zero || marker.created.adding(nanoseconds: Self.nanoseconds(age)) <= now
            let subject = bucket.subjectPrefix + key.description
            done.messages += try await attempt(about: key, repeats: true) { _ in
                try await context.purgeStream(
                    name.streamName,
                    subject: subject,
                    before: isOld ? marker.revision + 1 : marker.revision
                )
            }
            done.keys += 1
        }
        return done
    }

    private static func nanoseconds(_ duration: Duration) -> Int64 {
        let (seconds, attoseconds) = duration.components
        let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        return overflow ? (seconds < 0 ? .min : .max) : whole.addingClamped(attoseconds / 1_000_000_000)
    }
}
