import JetStream
import KVModel
import KeyValue
import Synchronization
import TestSupport
import Testing

/// In which way a bucket of these tests lets entries expire.
enum Expiring: String, Sendable, CaseIterable {
    case entries
    case bucket

    /// The ways that a server's version has.
    static func all(_ binary: ServerBinary) -> [Self] {
        binary.isAtLeast("2.11") ? allCases : [.bucket]
    }

    /// A bucket of this kind, in which leases of so many seconds are possible.
    func configuration(_ name: String, seconds: Int64) throws -> BucketConfiguration {
        var configuration = BucketConfiguration(name: try BucketName("\(name)-\(rawValue)"))
        switch self {
        // Much longer than a lease: it must not prolong one.
        case .entries: configuration.limitMarkerTTL = 3_600_000_000_000
        case .bucket: configuration.ttl = seconds * 1_000_000_000
        }
        return configuration
    }
}

/// Opens a bucket over a connection of its own.
func withBucket(
    _ name: BucketName,
    at url: String,
    _ body: @Sendable (KeyValueBucket) async throws -> Void
) async throws {
    try await withBuckets(at: url) { buckets in try await body(try await buckets.open(name)) }
}

/// Opens a bucket over a connection of its own that can be broken.
func withBucket(
    _ name: BucketName,
    through server: ServerProcess,
    _ body: @Sendable (KeyValueBucket, TCPProxy) async throws -> Void
) async throws {
    let proxy = try TCPProxy(to: server.port)
    defer { proxy.close() }
    try await withBucket(name, at: proxy.url) { try await body($0, proxy) }
}

/// Something that a lock guards, and that looks at who uses it: nobody may come after one with a higher token.
final class Guarded: Sendable {
    private struct State {
        var highest: Revision = 0
        var tokens: Set<Revision> = []
        var violations: [String] = []
        var isInUse = false
    }

    private let state = Mutex(State())

    /// Uses it, if the lease is valid.
    func use(_ lease: LockLease) {
        state.withLock { state in
            // Between this question and the end of the use nobody else gets in.
            guard lease.isValid else { return }
            state.isInUse = true
            state.tokens.insert(lease.token)
            if lease.token < state.highest {
                state.violations.append("\(lease.token) after \(state.highest)")
            }
            state.highest = max(state.highest, lease.token)
        }
    }

    /// Nobody uses it any more.
    func leave() { state.withLock { $0.isInUse = false } }

    /// Whether somebody uses it.
    var isInUse: Bool { state.withLock { $0.isInUse } }
    /// What must not be.
    var violations: [String] { state.withLock { $0.violations } }
    /// How many holders used it.
    var holders: Int { state.withLock { $0.tokens.count } }
}

/// Something that is so or not, for tasks that wait for each other.
final class Flag: Sendable {
    private let state = Mutex(false)

    func set(_ value: Bool) { state.withLock { $0 = value } }
    var isSet: Bool { state.withLock { $0 } }
}

/// Values as they come, for a test that waits for them.
final class Collected<Value: Sendable>: Sendable {
    private let values = Mutex<[Value]>([])

    func add(_ value: Value) { values.withLock { $0.append(value) } }
    var all: [Value] { values.withLock { $0 } }
    var last: Value? { values.withLock { $0.last } }
}

/// Waits until an error of a code is thrown.
func expect(
    _ code: KeyValueError.Code,
    sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () async throws -> Void
) async {
    do {
        try await body()
        Issue.record("nothing was thrown in place of \(code)", sourceLocation: sourceLocation)
    } catch {
        #expect((error as? KeyValueError)?.code == code, "\(error)", sourceLocation: sourceLocation)
    }
}
