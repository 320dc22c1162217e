import AsyncHTTPClient
public import Logging
import NIOCore

/// Tells people and programs of runs: posts JSON where a job says, and asks for its heartbeat after each success.
///
/// Nothing here delays a run: what is to be told waits in a queue for each address, and is tried again, with longer and
/// longer waits, in the background. Addresses are secrets: logs show their host only.
public actor Notifier {
    /// How hard is tried.
    public struct Patience: Sendable, Hashable {
        /// How often in all.
        public var attempts = 8
        /// The first wait between two tries; each is twice the one before.
        public var from = Duration.seconds(1)
        /// The longest wait.
        public var to = Duration.seconds(120)
        /// How long one try may take.
        public var timeout = Duration.seconds(15)

        /// The usual.
        public init() {}
    }

    /// Called when something was told, or given up, with the reason.
    public typealias Arrived = @Sendable (_ failure: String?) async -> Void

    /// What waits to be told to one address.
    private struct Lane {
        var waiting: [(delivery: Delivery, arrived: Arrived?)] = []
        var task: Task<Void, Never>?
    }

    /// So much waits for one address; the oldest gives way.
    private static let longestQueue = 100

    private let client: HTTPClient
    private let version: String
    private let patience: Patience
    private let logger: Logger
    private var lanes: [String: Lane] = [:]
    private var isClosed = false

    /// A notifier; it must be closed.
    ///
    /// `version` is Cistern's, for those who read what is posted.
    public init(version: String, patience: Patience = Patience(), logger: Logger) {
        var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
        configuration.timeout.connect = .seconds(10)
        client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        self.version = version
        self.patience = patience
        self.logger = logger
    }

    /// Tells of a run that has ended, where its job says so; returns at once.
    ///
    /// - Parameters:
    ///   - record: the run.
    ///   - settings: whom to tell when.
    ///   - previous: what came of the job's run before it that was not stopped; nil if there was none.
    ///   - arrived: called when the run was told of, or there is nobody to tell, or it was given up.
    public func tell(
        _ record: RunRecord,
        _ settings: JobSettings.Notification,
        after previous: RunRecord.Outcome?,
        arrived: Arrived? = nil
    ) async {
        if let url = settings.url, let occasion = settings.occasion(record.outcome, after: previous) {
            do {
                let body = try NotificationBody(occasion: occasion, record: record, version: version).text()
                await enqueue(Delivery(url, body: body), of: record.job, arrived)
            } catch {
                logger.error("a run cannot be told of", metadata: ["job": "\(record.job)", "reason": "\(error)"])
                await arrived?("\(error)")
            }
        } else {
            await arrived?(nil)
        }
        if let heartbeat = settings.heartbeat, record.outcome == .succeeded {
            await enqueue(Delivery(heartbeat), of: record.job, nil)
        }
    }

    /// How much still waits to be told.
    public var pending: Int { lanes.values.reduce(0) { $0 + $1.waiting.count } }

    /// Waits until all is told, but not longer than this, and gives up the rest; nothing is told after that.
    public func close(within limit: Duration) async {
        guard !isClosed else { return }
        isClosed = true
        let tasks = lanes.values.compactMap(\.task)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { for task in tasks { await task.value } }
            // The wait ends early when all is told.
            group.addTask { do { try await Task.sleep(for: limit) } catch {} }
            await group.next()
            for task in tasks { task.cancel() }
            group.cancelAll()
        }
        for task in tasks { await task.value }
        do {
            try await client.shutdown()
        } catch {
            logger.debug("the HTTP client was not shut down cleanly", metadata: ["reason": "\(error)"])
        }
    }

    private func enqueue(_ delivery: Delivery?, of job: String, _ arrived: Arrived?) async {
        guard let delivery else {
            logger.error("a job's notification has no usable address", metadata: ["job": "\(job)"])
            await arrived?("the address cannot be used")
            return
        }
        guard !isClosed else {
            logger.warning(
                "not told any more: the daemon stops",
                metadata: ["job": "\(job)", "to": "\(delivery.place)"]
            )
            await arrived?("the daemon stops")
            return
        }
        var lane = lanes[delivery.lane] ?? Lane()
        // One heartbeat says as much as many.
        if delivery.body == nil, lane.waiting.count > 1 { return }
        var leftOut: Arrived?
        if lane.waiting.count >= Self.longestQueue {
            // The first may be on its way.
            leftOut = lane.waiting.remove(at: 1).arrived
            logger.warning("too much waits to be told: the oldest is left out", metadata: ["to": "\(delivery.place)"])
        }
        lane.waiting.append((delivery, arrived))
        let name = delivery.lane
        if lane.task == nil { lane.task = Task { await self.work(name) } }
        lanes[name] = lane
        await leftOut?("too much waits to be told")
    }

    /// Tells what waits in a lane, in order, until nothing does.
    private func work(_ name: String) async {
        while let (delivery, arrived) = lanes[name]?.waiting.first {
            let failure: String?
            do {
                failure = try await deliver(delivery)
            } catch {
                let left = lanes[name]?.waiting ?? []
                logger.error(
                    "not told: the daemon stops",
                    metadata: ["to": "\(delivery.place)", "count": "\(left.count)"]
                )
                lanes[name] = nil
                for (_, arrived) in left { await arrived?("the daemon stopped before") }
                return
            }
            lanes[name]?.waiting.removeFirst()
            await arrived?(failure.map { "\(delivery.place): \($0)" })
        }
        lanes[name] = nil
    }

    /// Tries until it is told, or given up for the reason that is answered; throws if the task is cancelled before.
    private nonisolated func deliver(_ delivery: Delivery) async throws -> String? {
        var wait = patience.from
        var attempt = 1
        while true {
            let outcome = try await delivery.attempt(
                client,
                timeout: patience.timeout,
                userAgent: "cistern/\(version)"
            )
            switch outcome {
            case .delivered:
                logger.debug("told", metadata: ["to": "\(delivery.place)", "attempt": "\(attempt)"])
                return nil
            case .refused(let text):
                logger.error("not told: refused", metadata: ["to": "\(delivery.place)", "reason": "\(text)"])
                return text
            case .unavailable(let text):
                guard attempt < patience.attempts else {
                    logger.error("not told: given up", metadata: ["to": "\(delivery.place)", "reason": "\(text)"])
                    return text
                }
                logger.info("not told yet", metadata: ["to": "\(delivery.place)", "reason": "\(text)"])
                try await Task.sleep(for: wait * Double.random(in: 0.75...1.25))
                wait = min(patience.to, wait * 2)
                attempt += 1
            }
        }
    }
}
