import Dispatch
import Foundation
import Synchronization

/// SIGINT and SIGTERM: the first asks the work to stop at a checkpoint, the second ends the program at once.
final class StopSignals: Sendable {
    /// Which signal came first.
    private final class Record: Sendable {
        private let first = Mutex<RunStatus?>(nil)

        var status: RunStatus? { first.withLock { $0 } }

        /// Notes a signal; answers whether it is the first.
        func note(_ status: RunStatus) -> Bool {
            first.withLock { first in
                guard first == nil else { return false }
                first = status
                return true
            }
        }
    }

    private let record = Record()
    private let sources: Mutex<[any DispatchSourceSignal]>

    /// Listens from now on; with `stopsAtOnce` even the first signal ends the program.
    init(stopsAtOnce: Bool, onFirst: @escaping @Sendable () -> Void) {
        // A closed pipe is an error of the write that met it, not a signal.
        signal(SIGPIPE, SIG_IGN)
        sources = Mutex(
            [
                Self.source(SIGINT, .interrupted, record, stopsAtOnce, onFirst),
                Self.source(SIGTERM, .terminated, record, stopsAtOnce, onFirst),
            ]
        )
    }

    private static func source(
        _ number: Int32,
        _ status: RunStatus,
        _ record: Record,
        _ stopsAtOnce: Bool,
        _ onFirst: @escaping @Sendable () -> Void
    ) -> sending any DispatchSourceSignal {
        signal(number, SIG_IGN)
        let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
        source.setEventHandler {
            guard !stopsAtOnce, record.note(status) else { _exit(status.rawValue) }
            onFirst()
        }
        source.activate()
        return source
    }

    /// What the program ends with because of the first signal; nil if there was none.
    var received: RunStatus? { record.status }

    /// Listens no more.
    func stop() {
        sources.withLock { sources in
            for source in sources { source.cancel() }
            sources = []
        }
    }
}
