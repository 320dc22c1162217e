import Replication
import Synchronization
import Testing

@Suite("Work on a thread of its own")
struct OwnThreadTests {
    @Test("What the work answered is its caller's alone, and gone when that lets it go")
    func handover() async throws {
        let gone = Count()
        for round in 1...500 {
            _ = try await onOwnThread { _ in Token(gone) }
            #expect(gone.value == round)
        }
    }

    @Test("What the work held is gone when its answer is there")
    func release() async throws {
        let gone = Count()
        for round in 1...500 {
            try await hold(Token(gone))
            #expect(gone.value == round)
        }
    }

    private func hold(_ token: Token) async throws {
        try await onOwnThread { _ in withExtendedLifetime(token) {} }
    }

    @Test("What the work throws is thrown, and it is told that nobody waits for it any more")
    func failure() async throws {
        await #expect(throws: Failure.self) { try await onOwnThread { _ -> Void in throw Failure() } }
        let task = Task {
            try await onOwnThread { shouldStop in
                // It ends for no other reason.
                while !shouldStop() {}
                return 7
            }
        }
        task.cancel()
        #expect(try await task.value == 7)
    }

    private struct Failure: Error {}
}

/// Counts when it goes.
private final class Token: Sendable {
    private let gone: Count

    init(_ gone: Count) {
        self.gone = gone
    }

    deinit {
        gone.add()
    }
}

private final class Count: Sendable {
    private let state = Mutex(0)

    var value: Int { state.withLock { $0 } }

    func add() {
        state.withLock { $0 += 1 }
    }
}
