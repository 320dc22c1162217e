import Foundation

/// What `eventually` throws when its time is over.
public struct TimeoutError: Error, CustomStringConvertible {
    /// What was waited for, and how long.
    public let description: String
}

/// Waits until `condition` holds, asking every few milliseconds; throws `TimeoutError` when it never does.
public func eventually(
    _ what: String = "the condition",
    timeout: Duration = .seconds(60),
    condition: @Sendable () async throws -> Bool
) async throws {
    let clock = ContinuousClock()
    let deadline = clock.now.advanced(by: timeout)
    while true {
        if try await condition() { return }
        if clock.now >= deadline {
            throw TimeoutError(description: "waited \(timeout) in vain for \(what)")
        }
        try await Task.sleep(for: .milliseconds(10))
    }
}

/// Runs blocking work on a thread of its own, so that no thread of the cooperative pool is held up.
public func onOwnThread<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread {
            continuation.resume(with: Result { try work() })
        }
    }
}

/// The blocking twin of `eventually`, for threads of their own.
public func waitOnThread(_ what: String, seconds: Double, condition: () throws -> Bool) throws {
    let deadline = Date().addingTimeInterval(seconds)
    while try !condition() {
        if Date() >= deadline {
            throw TimeoutError(description: "waited \(seconds) s in vain for \(what)")
        }
        usleep(5_000)
    }
}
