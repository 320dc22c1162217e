/// The times of a lease, all as parts of how long the server keeps one that is not renewed.
struct LeaseTiming: Sendable, Hashable {
    /// How long the server keeps it: the TTL of the bucket.
    let duration: Duration

    init(_ settings: LeaseSettings) {
        duration = .nanoseconds(settings.duration)
    }

    /// For how long it counts as held, from before it was asked for: what is missing to `duration` is for clocks that
    /// do not go alike, and for a thread that has asked and begins.
    var validity: Duration { duration * 5 / 6 }
    /// After how long it is renewed.
    var renewal: Duration { duration / 3 }
    /// After how long a renewal that failed is tried again.
    var retry: Duration { duration / 15 }
    /// How long a request may take.
    var request: Duration { min(.seconds(5), duration / 6) }
    /// How often it is looked at what is to be done.
    var tick: Duration { max(.milliseconds(5), min(.milliseconds(250), duration / 60)) }
    /// After how long without a renewal somebody's lease may be over.
    var silence: Duration { duration * 3 / 4 }
    /// Over what time daemons spread their attempts at a lease that is free.
    var spread: Duration { duration / 10 }
    /// How long a daemon that has its share leaves a free lease to others.
    var restraint: Duration { duration / 3 }
}
