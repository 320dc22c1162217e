import KVModel
import Synchronization

/// The instances of a service, each time that they change; see `ServiceRegistry.changes`.
public struct ServiceChanges: AsyncSequence, Sendable {
    /// All instances of the service at a time.
    public typealias Element = Set<ServiceInstance>

    let registry: ServiceRegistry
    let service: String

    /// Begins to follow the service; each iteration does so by itself.
    public func makeAsyncIterator() -> Iterator {
        let following = ServiceFollowing(registry, service)
        // Only the newest set is of use.
        let (stream, continuation) = AsyncThrowingStream.makeStream(
            of: Element.self,
            bufferingPolicy: .bufferingNewest(1)
        )
        // The stream owns it: it ends with the last reader.
        let task = Task {
            do {
                try await following.run { continuation.yield($0) }
                continuation.finish()
            } catch {
                continuation.finish(throwing: error)
            }
        }
        continuation.onTermination = { _ in task.cancel() }
        return Iterator(sets: stream.makeAsyncIterator())
    }

    /// One reader.
    public struct Iterator: AsyncIteratorProtocol {
        var sets: AsyncThrowingStream<Element, any Error>.Iterator

        /// Waits for the next set; nil if the task is cancelled.
        public mutating func next(isolation actor: isolated (any Actor)? = #isolation) async throws -> Element? {
            try await sets.next(isolation: actor)
        }
    }
}

/// Follows one service for one reader.
private final class ServiceFollowing: Sendable {
    private struct State {
        var table: InstanceTable
        /// What was last told; nil before the first time.
        var told: Set<ServiceInstance>?
        var isCurrent = false
    }

    private let registry: ServiceRegistry
    private let service: String
    private let state: Mutex<State>

    init(_ registry: ServiceRegistry, _ service: String) {
        self.registry = registry
        self.service = service
        state = Mutex(State(table: InstanceTable(kept: registry.terms.kept)))
    }

    func run(_ tell: @escaping @Sendable (Set<ServiceInstance>) -> Void) async throws {
        try await withThrowingTaskGroup { group in
            group.addTask { try await self.keepWatching(tell) }
            group.addTask { try await self.askForSilent(tell) }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    private func keepWatching(_ tell: (Set<ServiceInstance>) -> Void) async throws {
        while true {
            do {
                try await watch(tell)
            } catch  where error.passesByItself {
                // It could not even begin.
                try await Task.sleep(for: .milliseconds(500))
            }
        }
    }

    private func watch(_ tell: (Set<ServiceInstance>) -> Void) async throws {
        var options = KeyWatchOptions(start: .newest)
        options.patience = nil
        for try await event in registry.bucket.watch([try registry.pattern(of: service)], options: options) {
            switch event {
            case .entry(let entry):
                let moment = ContinuousClock.now
                let age = registry.terms.age(of: entry.created, at: .wallClock())
                state.withLock { state in
                    state.table.saw(entry.key, entry.revision, ServiceInstance(entry), age: age, at: moment)
                }
            case .undecodable: continue
            case .endOfInitialData: state.withLock { $0.isCurrent = true }
            }
            tellChange(tell)
        }
    }

    /// Asks for entries that were not renewed: they may have expired, and nobody says so.
    private func askForSilent(_ tell: (Set<ServiceInstance>) -> Void) async throws {
        let interval = state.withLock { $0.table.interval }
        while true {
            try await Task.sleep(for: interval)
            let due = state.withLock { $0.isCurrent ? $0.table.due(at: .now) : [] }
            for (key, revision) in due where try await isGone(key) {
                state.withLock { $0.table.isGone(key, revision) }
            }
            tellChange(tell)
        }
    }

    /// Whether the leader does not hold an entry; false as long as nobody can tell.
    private func isGone(_ key: Key) async throws -> Bool {
        do {
            return try await registry.bucket.get(key) == nil
        } catch let error as KeyValueError where error.code == .undecodable {
            // What stands there now is no instance.
            return true
        } catch  where error.passesByItself {
            return false
        }
    }

    private func tellChange(_ tell: (Set<ServiceInstance>) -> Void) {
        // Told under the lock, so that no older set comes last.
        state.withLock { state in
            let instances = state.table.instances
            guard state.isCurrent, instances != state.told else { return }
            state.told = instances
            tell(instances)
        }
    }
}
