import JetStream
import KVModel
import KeyValue
import NATSProtocol
import NIOCore

/// Removes from a mirror's target what is not of the source's present life, once all of that is there.
///
/// A key that the source does not have is purged, if nothing was written to it meanwhile; what an earlier life left
/// beneath the entries of this one is removed. It may be stopped anywhere and done again.
struct MirrorSweep {
    /// Keys that were purged.
    private(set) var removed: UInt64 = 0
    private let target: Bucket
    private let identity: ReplayIdentity
    private let options: MirrorOptions
    private let space: [KeyPattern]

    /// So many keys are dealt with before the target is read again.
    var portion = 20_000

    init(_ target: Bucket, identity: ReplayIdentity, options: MirrorOptions) {
        self.target = target
        self.identity = identity
        self.options = options
        space = options.mapping.image(of: options.filter)
    }

    /// Removes.
    mutating func run() async throws {
        if options.deletes {
            var start = OrderedConsumer.Start.lastPerSubject
            while let next = try await purgeAbsent(from: start) { start = .sequence(next) }
        }
        guard target.configuration.history != 1 else { return }
        while try await dropBeneath() {}
    }

    /// A key whose newest entry is not of this life.
    private struct Leftover {
        var key: Key
        var sequence: UInt64
        var isMarker: Bool
    }

    /// Purges keys that the source does not have; answers where to go on, nil at the end.
    ///
    /// Older entries of a key may come before its newest: what seems to be left over takes up room until that is seen.
    /// All that is left over before the first entry that found no room is dealt with, so that each portion gets further.
    private mutating func purgeAbsent(from start: OrderedConsumer.Start) async throws -> UInt64? {
        var newest: [Key: Leftover] = [:]
        var next: UInt64?
        let room = portion
        try await read(start) { entry, sighting in
            let key = Key(bytes: Array(entry.key))
            if case .own = sighting {
                newest[key] = nil
                return
            }
            guard newest.count < room || newest[key] != nil else {
                next = next ?? entry.revision
                return
            }
            newest[key] = Leftover(key: key, sequence: entry.revision, isMarker: entry.operation != .put)
        }
        for leftover in newest.values.sorted(by: { $0.sequence < $1.sequence }) where leftover.key.isStorable {
            try await purge(leftover)
        }
        return next
    }

    private mutating func purge(_ leftover: Leftover) async throws {
        guard let name = String(validating: leftover.key.bytes, as: UTF8.self) else { return }
        guard !leftover.isMarker else {
            // It says that the key is gone; the source says nothing of the key at all.
            try await drop(leftover.key, before: leftover.sequence + 1)
            return
        }
        var headers = Headers()
        headers.append("KV-Operation", "PURGE")
        headers.append("Nats-Rollup", "sub")
        headers.append("Nats-Expected-Last-Subject-Sequence", String(leftover.sequence))
        headers.append(MirrorSighting.removalHeader, String(decoding: identity.prefix.dropLast(), as: UTF8.self))
        do {
            let subject = target.name.subjectPrefix + name
            _ = try await target.context.publish(subject, payload: ByteBuffer(), headers: headers)
            removed += 1
        } catch let error as JetStreamError where error.code == .wrongLastSequence {
            // Somebody has written to it: the source's life, or others.
        }
    }

    /// Drops what lies beneath the first entry of this life; answers whether there may be more.
    private func dropBeneath() async throws -> Bool {
        var first: [Key: UInt64] = [:]
        var isFull = false
        try await read(.all) { entry, sighting in
            let key = Key(bytes: Array(entry.key))
            guard case .own = sighting else {
                guard !isFull, first[key] == nil else { return }
                first[key] = 0
                isFull = first.count >= portion
                return
            }
            if first[key] == 0 { first[key] = entry.revision }
        }
        let beneath = first.filter { $0.value > 0 }
        for (key, sequence) in beneath.sorted(by: { $0.value < $1.value }) {
            try await drop(key, before: sequence)
        }
        return isFull && !beneath.isEmpty
    }

    private func drop(_ key: Key, before sequence: UInt64) async throws {
        guard let name = String(validating: key.bytes, as: UTF8.self) else { return }
        try await target.context.purgeStream(
            target.name.streamName,
            subject: target.subjectPrefix + name,
            before: sequence
        )
    }

    /// Shows the target's entries of the mirror's keys, without values, that could have been named.
    private func read(
        _ start: OrderedConsumer.Start,
        _ body: (EntryView, MirrorSighting) -> Void
    ) async throws {
        let now = try await target.refreshed()
        var watch = WatchOptions()
        watch.start = start
        watch.headersOnly = true
        watch.patience = options.patience
        watch.created = target.info.created
        guard now.info.state.messages > 0 else { return }
        try await target.read(watch, through: now.info.state.lastSequence) { batch in
            batch.forEachEntry { entry in
                guard space.contains(where: { $0.matches(entry.key) }) else { return }
                let sighting = MirrorSighting(headers: entry.headers, identity)
                if sighting == .foreign, isTooLargeToName(entry) { return }
                body(entry, sighting)
            }
        }
    }

    private func isTooLargeToName(_ entry: EntryView) -> Bool {
        guard let text = HeaderBlock.value(of: "Nats-Msg-Size", in: entry.headers),
            let size = Int(String(decoding: text, as: UTF8.self))
        else { return false }
        return size + entry.headers.count + 2 * ReplayHeaders.largestAddition > MergeEncoder.limit(target)
    }
}
