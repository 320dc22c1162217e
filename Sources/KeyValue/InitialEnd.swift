import KVModel

/// Decides when a watch has shown everything that was there when it began.
///
/// What a consumer has pending is an estimate, and of a key that is overwritten before it is read only the successor
/// comes, behind what was the end at the start. So the end is where the server holds nothing of the watched keys
/// behind the last one shown: it is asked, once there is reason to believe so. Where writes never cease, that moment
/// may never come: after a few extensions the watch counts as caught up.
struct InitialEnd: Equatable {
    /// Where the initial entries are known to end.
    private(set) var target: Revision
    /// The last revision that was shown, or that the watch began behind.
    private(set) var position: Revision
    /// Whether everything was shown.
    private(set) var isReached = false
    /// Whether the server is to be asked what it holds behind `position`.
    private(set) var isToAsk: Bool
    private var extensions = 5

    /// A watch that begins behind a position, of a bucket that ends at `target`, with so many entries to come by the
    /// server's estimate.
    init(after position: Revision, through target: Revision, pending: UInt64) {
        (self.position, self.target) = (position, target)
        isToAsk = pending == 0 || position >= target
    }

    /// Entries up to a revision were shown, with so many to come by the server's estimate.
    mutating func pass(_ revision: Revision, pending: UInt64, moreIsQueued: Bool) {
        position = max(position, revision)
        if position >= target, moreIsQueued {
            // There is no need to ask: there is more.
            if extensions == 0 { isReached = true }
            extensions = max(0, extensions - 1)
        }
        isToAsk = position >= target || pending == 0
    }

    /// Nothing came for a while.
    mutating func pause() {
        isToAsk = true
    }

    /// The server says what it holds next behind `position`; nil for nothing.
    mutating func learn(next revision: Revision?) {
        isToAsk = false
        guard let revision else {
            isReached = true
            return
        }
        guard revision > target else { return }
        if extensions == 0 { isReached = true }
        extensions = max(0, extensions - 1)
        target = revision
    }
}
