extension RawNATS {
    /// Writes into a bucket, pipelined, every write acknowledged; returns the last revision.
    @discardableResult
    public func putMany(_ bucket: String, _ puts: some Sequence<RawPut>, window: Int = 4096) throws -> UInt64 {
        let prefix = Array("$KV.\(bucket).".utf8)
        let reply = "\(inbox).p"
        var progress = Acknowledgements()
        var unacknowledged = 0
        for put in puts {
            write(subject: prefix + put.key, reply: reply, headers: put.headers, data: put.value)
            progress.sent += 1
            unacknowledged += put.value.count
            if output.count >= 1 << 18 { try flush() }
            // What the server has not stored yet is bounded in bytes as well.
            if unacknowledged > 32 << 20 {
                try flush()
                try settle(&progress, atMost: 0)
                unacknowledged = 0
            } else if progress.outstanding >= window {
                try flush()
                try settle(&progress, atMost: window / 2)
            }
        }
        try flush()
        try settle(&progress, atMost: 0)
        return progress.lastRevision
    }

    /// Writes `count` values of `size` random bytes to keys `<prefix>0`, `<prefix>1` … and round again after `keys`.
    public func fill(
        _ bucket: String,
        count: Int,
        keys: Int? = nil,
        size: Int,
        prefix: String = "key.",
        seed: UInt64
    )
        throws
    {
        var random = SeededGenerator(seed: seed)
        // Values are cut from one pool of random bytes: making each anew would take longer than storing it.
        let pool = random.bytes(size + 65_536)
        try putMany(
            bucket,
            (0..<count).lazy.map { index in
                let offset = Int(truncatingIfNeeded: random.next() & 0xffff)
                return RawPut(
                    key: Array("\(prefix)\(index % (keys ?? count))".utf8),
                    value: Array(pool[offset..<(offset + size)])
                )
            }
        )
    }

    /// Writes one entry and returns its revision.
    @discardableResult
    public func put(_ bucket: String, _ key: String, _ value: String) throws -> UInt64 {
        try putMany(bucket, CollectionOfOne(RawPut(key, value)))
    }

    private struct Acknowledgements {
        var sent = 0
        var acknowledged = 0
        var lastRevision: UInt64 = 0
        var outstanding: Int { sent - acknowledged }
    }

    private func settle(_ progress: inout Acknowledgements, atMost limit: Int) throws {
        while progress.outstanding > limit {
            let frame = try nextFrame()
            guard frame.subject.last == 0x70 else { continue }
            if frame.status == 503 { throw RawNATSError.noResponders("the bucket") }
            guard Self.end(of: "\"error\"", in: frame.data) == nil,
                let sequence = Self.end(of: "\"seq\":", in: frame.data)
            else { throw RawNATSError.refused(String(decoding: frame.data, as: UTF8.self)) }
            progress.acknowledged += 1
            // Some versions write a space after the colon.
            let blank = frame.data[sequence] == 0x20 ? 1 : 0
            progress.lastRevision = max(progress.lastRevision, UInt64(Self.number(frame.data, from: sequence + blank)))
        }
    }
}
