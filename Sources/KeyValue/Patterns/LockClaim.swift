import KVModel

/// One attempt to take a lock, or a series of them under one name: the key's value, drawn at random.
///
/// By it a holder knows its own entry again where an answer was lost.
struct LockClaim: Sendable {
    let lock: DistributedLock
    /// What the key holds while this claim has the lock.
    let value: [UInt8]
    /// Whether an entry of this claim may be in the bucket, or come there, that nobody was told of.
    private(set) var isUncertain = false

    init(_ lock: DistributedLock) {
        self.lock = lock
        let name = (0..<2).map { _ in String(UInt64.random(in: .min ... .max), radix: 36) }.joined()
        value = Array((lock.label.isEmpty ? name : "\(name) \(lock.label)").utf8)
    }

    /// Takes the lock if it is free; nil if somebody else holds it.
    ///
    /// Its requests run to their end even if the task is cancelled: else nobody would know of the lock that it took.
    mutating func attempt() async throws -> LockLease? {
        let claim = self
        do {
            let lease = try await lock.uncancelled { try await claim.take() }
            if lease != nil { isUncertain = false }
            return lease
        } catch let error as KeyValueError where error.code == .unanswered {
            isUncertain = true
            // What is there tells what became of it, if the server can be asked by now.
            guard let lease = try await lock.uncancelled({ try await claim.takeOverPatiently() }) else { throw error }
            isUncertain = false
            return lease
        }
    }

    /// The same over a connection that is lost once more.
    private func takeOverPatiently() async throws -> LockLease? {
        for _ in 0..<2 {
            do {
                return try await takeOver()
            } catch let error as KeyValueError where error.code == .unanswered {
                continue
            }
        }
        return try await takeOver()
    }

    /// The revision at which the bucket holds this claim's entry; nil if it does not.
    func revision() async throws -> Revision? {
        do {
            guard let entry = try await lock.bucket.get(lock.key), entry.value == value else { return nil }
            return entry.revision
        } catch let error as KeyValueError where error.code == .undecodable {
            return nil
        }
    }

    /// Removes this claim's entry, which was last known to have a revision; anybody else's stays.
    func remove(_ revision: Revision) async throws {
        var revision = revision
        var failure: (any Error)?
        for _ in 0..<4 {
            do {
                return try await lock.terms.remove(lock.key, expecting: revision, in: lock.bucket)
            } catch let error as KeyValueError where [.wrongRevision, .unanswered].contains(error.code) {
                // A renewal came in between, or a question or its answer was lost.
                guard let found = try await self.revision() else { return }
                revision = found
                failure = error
            }
        }
        if let failure { throw failure }
    }

    /// Removes what may have been stored without an answer, as far as the server can be told: otherwise it expires.
    func withdraw() async {
        guard isUncertain else { return }
        let claim = self
        do {
            try await lock.uncancelled {
                if let revision = try await claim.revision() { try await claim.remove(revision) }
            }
        } catch {
            // The lease that nobody has is over soon.
        }
    }

    private func take() async throws -> LockLease? {
        let asked = lock.now()
        do {
            let revision = try await lock.terms.create(lock.key, value, in: lock.bucket)
            return LockLease(self, token: revision, revision: revision, askedAt: asked)
        } catch let error as KeyValueError where [.keyExists, .conflictTooOften].contains(error.code) {
            return isUncertain ? try await takeOver() : nil
        } catch let error as KeyValueError where error.code == .undecodable {
            // Somebody else's, in any case.
            return nil
        }
    }

    /// Makes a lease of an entry that this claim has without knowing since when: by renewing it.
    private func takeOver() async throws -> LockLease? {
        guard let token = try await revision() else { return nil }
        let asked = lock.now()
        do {
            let revision = try await lock.terms.update(lock.key, value, expecting: token, in: lock.bucket)
            return LockLease(self, token: token, revision: revision, askedAt: asked)
        } catch let error as KeyValueError where error.code == .wrongRevision {
            return nil
        }
    }
}
