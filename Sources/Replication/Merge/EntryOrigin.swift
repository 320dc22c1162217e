import Foundation
import KVModel

/// Where and when the value of an entry was first written, as far as anybody knows.
///
/// An entry that a merge wrote says so in a header, `Cistern-Origin: <incarnation>:<revision>:<nanoseconds>`; one that
/// was replayed names an archived revision in `Nats-Msg-Id`. Any other is its own origin. Without this a copy would
/// pass for newer than what was written to the original between the backup and the copying.
struct EntryOrigin: Sendable, Hashable {
    /// The incarnation, by the number that its name hashes to.
    var source: UInt64
    /// The revision there.
    var revision: Revision
    /// The time there; of a replayed entry the time of the replay.
    var time: Timestamp

    static let header = "Cistern-Origin"

    /// The origin of an entry that is in the bucket or archive of this identity.
    init(_ entry: EntryView, in identity: ReplayIdentity) {
        self.init(source: identity.number, revision: entry.revision, time: entry.time)
        guard !entry.headers.isEmpty else { return }
        if let said = Self(headers: entry.headers) {
            self = said
        } else if let id = HeaderBlock.value(of: "Nats-Msg-Id", in: entry.headers),
            let (source, revision) = ReplayIdentity.origin(id)
        {
            (self.source, self.revision) = (source, revision)
        }
    }

    init(source: UInt64, revision: Revision, time: Timestamp) {
        self.source = source
        self.revision = revision
        self.time = time
    }

    /// What a header block says with `Cistern-Origin`; nil if it says nothing.
    init?(headers: UnsafeRawBufferPointer) {
        guard !headers.isEmpty, let text = HeaderBlock.value(of: "Cistern-Origin", in: headers) else { return nil }
        self.init(text: text)
    }

    private init?(text: UnsafeRawBufferPointer) {
        let parts = String(decoding: text, as: UTF8.self).split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0].utf8.count == 16, let source = UInt64(parts[0], radix: 16),
            let revision = Revision(parts[1]), let time = Int64(parts[2])
        else { return nil }
        self.init(source: source, revision: revision, time: Timestamp(nanoseconds: time))
    }

    /// What the header says.
    var text: String {
        let digits = String(source, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits + ":\(revision):\(time.nanoseconds)"
    }

    /// Whether this was written before the other: by revision where both come from one life of a bucket, else by time.
    func isOlder(than other: EntryOrigin) -> Bool {
        source == other.source ? revision < other.revision : time < other.time
    }
}
