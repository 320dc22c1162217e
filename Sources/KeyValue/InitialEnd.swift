import KVModel

/// Decides when everything was shown that was there when reading began: pure, the server is asked by others.
///
/// What a consumer has pending is an estimate, and of a key that is overwritten before it is read only the successor
/// comes, behind what was the end at the start. So the end is where the server holds nothing of what is read behind the
/// last entry shown: it is asked, once there is reason to believe so. Where writes never cease, that moment may never
/// come: after a few extensions the end is where it was last seen.
struct InitialEnd: Equatable {
    /// Where the entries to be read are known to end.
    private(set) var target: Revision
    /// The last revision that was shown, or that reading began behind.
    private(set) var position: Revision
    /// Whether everything was shown.
    private(set) var isReached = false
    /// Whether the server is to be asked what it holds behind `position`.
    private(set) var isToAsk = false
    private var extensions: Int

    /// Reading behind a position of a bucket that ends at `target`, with so many entries to come by the server's
    /// estimate; without extensions it ends at `target` whatever comes later.
    init(after position: Revision, through target: Revision, pending: UInt64, extensions: Int) {
        (self.position, self.target, self.extensions) = (position, target, extensions)
        pass(position, pending: pending, moreIsQueued: false)
    }

    /// Entries up to a revision were shown, with so many to come by the server's estimate.
    mutating func pass(_ revision: Revision, pending: UInt64, moreIsQueued: Bool) {
        position = max(position, revision)
        if position >= target {
            // Where the queue is never empty there is nothing to ask, but an end all the same.
            isReached = extensions == 0
            if moreIsQueued, !isReached { extend(to: pending < .max - position ? position + pending : .max) }
        }
        isToAsk = position >= target || pending == 0
    }

    /// Nothing came for a while.
    mutating func pause() {
        isToAsk = true
    }

    /// The server says from where to where it holds more behind `position`; nil for nothing.
    mutating func learn(rest: ClosedRange<Revision>?) {
        isToAsk = false
        guard let rest, rest.lowerBound <= target || extensions > 0 else {
            isReached = true
            return
        }
        if rest.lowerBound > target { extend(to: rest.upperBound) }
    }

    /// Successors of what was overwritten before it was read lie up to here: all of them, not the next alone.
    private mutating func extend(to revision: Revision) {
        extensions -= 1
        target = max(target, revision)
    }
}
