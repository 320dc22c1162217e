/// When an entry expires: the bucket's TTL and the entry's own, reckoned from the time the server stored it.
public enum EntryLifetime: Equatable, Sendable {
    /// The header's TTL says never: the entry outlives even the bucket's TTL.
    case never
    /// The header's TTL in nanoseconds.
    case limited(Int64)

    /// What a header block says with `Nats-TTL`; nil if it says nothing, or nothing that a server would take.
    ///
    /// Servers from 2.11 on take a Go duration (`1h30m`) or whole seconds of at least 1, or `never` (ADR-43).
    public init?(headers: UnsafeRawBufferPointer) {
        guard !headers.isEmpty, let value = HeaderBlock.value(of: "Nats-TTL", in: headers) else { return nil }
        self.init(String(decoding: value, as: UTF8.self))
    }

    /// What the text of a `Nats-TTL` header says.
    public init?(_ text: String) {
        if text == "never" {
            self = .never
        } else if let seconds = Int64(text) {
            guard seconds >= 1, seconds < Int64.max / 1_000_000_000 else { return nil }
            self = .limited(seconds * 1_000_000_000)
        } else {
            guard let nanoseconds = try? DurationText.nanoseconds(text), nanoseconds >= 1_000_000_000 else {
                return nil
            }
            self = .limited(nanoseconds)
        }
    }

    /// When an entry stored at `time` expires; nil if it does not.
    ///
    /// `maximumAge` is the bucket's TTL in nanoseconds, 0 for none. `own` counts only where the bucket allows per-entry
    /// TTLs. The earlier of the two decides, except that `never` outlives both.
    public static func expiry(of time: Timestamp, own: EntryLifetime?, maximumAge: Int64) -> Timestamp? {
        var lifetime = maximumAge > 0 ? maximumAge : Int64.max
        switch own {
        case .never: return nil
        case .limited(let nanoseconds): lifetime = min(lifetime, nanoseconds)
        case nil: break
        }
        return lifetime == .max ? nil : time.adding(nanoseconds: lifetime)
    }
}
