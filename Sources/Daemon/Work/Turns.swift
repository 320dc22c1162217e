/// Lets one at a time have a thing of a name; others wait, in the order in which they came.
actor Turns<Name: Hashable & Sendable> {
    /// Who has a thing, and whether that will ever end by itself.
    struct Holder: Sendable, Hashable {
        var name: String
        var isEndless = false
    }

    /// A thing is held by somebody who will not give it back.
    struct Taken: Error, Sendable {
        let holder: String
    }

    private struct Waiter {
        let id: UInt64
        let holder: Holder
        let continuation: CheckedContinuation<Void, any Error>
    }

    private var holders: [Name: Holder] = [:]
    private var waiting: [Name: [Waiter]] = [:]
    private var lastID: UInt64 = 0

    /// Does something while nobody else has the thing; throws `Taken` if waiting for it would be in vain.
    func having<Result: Sendable>(
        _ name: Name,
        as holder: Holder,
        _ body: @Sendable () async throws -> Result
    ) async throws -> Result {
        try await take(name, holder)
        defer { give(name) }
        return try await body()
    }

    private func take(_ name: Name, _ holder: Holder) async throws {
        try Task.checkCancellation()
        guard let present = holders[name] else {
            holders[name] = holder
            return
        }
        guard !present.isEndless else { throw Taken(holder: present.name) }
        lastID += 1
        let id = lastID
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                guard !Task.isCancelled else { return continuation.resume(throwing: CancellationError()) }
                waiting[name, default: []].append(Waiter(id: id, holder: holder, continuation: continuation))
            }
        } onCancel: {
            Task { await self.giveUp(name, id) }
        }
    }

    private func give(_ name: Name) {
        guard var queue = waiting[name], !queue.isEmpty else {
            holders[name] = nil
            return
        }
        let next = queue.removeFirst()
        waiting[name] = queue.isEmpty ? nil : queue
        holders[name] = next.holder
        next.continuation.resume()
        guard next.holder.isEndless else { return }
        for other in waiting.removeValue(forKey: name) ?? [] {
            other.continuation.resume(throwing: Taken(holder: next.holder.name))
        }
    }

    private func giveUp(_ name: Name, _ id: UInt64) {
        guard let index = waiting[name]?.firstIndex(where: { $0.id == id }) else { return }
        let waiter = waiting[name]?.remove(at: index)
        waiter?.continuation.resume(throwing: CancellationError())
    }
}
