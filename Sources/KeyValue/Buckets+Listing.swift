import JetStream
public import KVModel
import NATSClient

extension Buckets {
    /// The names of all buckets, asked for page by page as they are read.
    public func names() -> BucketNames {
        BucketNames(context)
    }

    /// The statuses of all buckets, mirrors included, asked for page by page as they are read.
    public func statuses() -> BucketStatuses {
        BucketStatuses(context)
    }
}

/// The buckets of an account: those that answer, and those that do not.
public struct BucketSurvey: Sendable {
    /// Those that answer, by name.
    public var buckets: [Bucket] = []
    /// Why there is nothing of the others, by name: the servers that hold them may be down.
    public var failures: [KeyValueError] = []

    package init() {}
}

extension Buckets {
    /// Asks for all buckets; one that does not answer is named as such.
    public func survey() async throws -> BucketSurvey {
        var survey = BucketSurvey()
        var silent: [BucketName] = []
        // A mirror has no subjects of its own, so a list by subject would leave it out.
        for try await page in context.streamInfos() {
            let buckets = page.streams.filter { BucketName(streamName: $0.name) != nil }
            survey.buckets += buckets.map { Bucket(context, $0) }
            silent += page.unanswered.compactMap(BucketName.init(streamName:))
        }
        try await withThrowingTaskGroup { group in
            // Asked by itself a bucket has more time to answer; it may be gone as well.
            for name in silent { group.addTask { try await answer(of: name) } }
            for try await answer in group {
                switch answer {
                case .success(let bucket): survey.buckets.append(bucket)
                case .failure(let error) where error.code != .bucketNotFound: survey.failures.append(error)
                case .failure: continue
                }
            }
        }
        survey.buckets.sort { $0.name < $1.name }
        survey.failures.sort { ($0.bucket?.rawValue ?? "") < ($1.bucket?.rawValue ?? "") }
        return survey
    }

    /// Opens a bucket, or says why there is nothing of it alone: that it is not there, or does not answer.
    package func answer(of name: BucketName) async throws -> Result<Bucket, KeyValueError> {
        do {
            return .success(try await bucket(name))
        } catch let error as KeyValueError {
            return .failure(error)
        } catch let error as JetStreamError where error.isOffline || error.isLeaderless {
            return .failure(KeyValueError(code: .unavailable, bucket: name, text: error.text, underlying: error))
        } catch let error as NATSError where error.code == .timeout {
            return .failure(
                KeyValueError(code: .unavailable, bucket: name, text: error.description, underlying: error)
            )
        }
    }
}

/// The names of an account's buckets, in the server's order; each loop asks anew.
public struct BucketNames: AsyncSequence, Sendable {
    /// A name.
    public typealias Element = BucketName

    private let context: JetStreamContext

    init(_ context: JetStreamContext) {
        self.context = context
    }

    /// Begins at the first bucket.
    public func makeAsyncIterator() -> Iterator {
        // A mirror has no subjects of its own, so a list by subject would leave it out.
        Iterator(pages: context.streamNames().makeAsyncIterator())
    }

    /// Reads one name after the other.
    public struct Iterator: AsyncIteratorProtocol {
        fileprivate var pages: StreamPages<[String]>.Iterator
        private var waiting: ArraySlice<BucketName> = []

        fileprivate init(pages: StreamPages<[String]>.Iterator) {
            self.pages = pages
        }

        /// The next name; nil after the last.
        ///
        /// Throws what the server refuses the list with.
        public mutating func next() async throws -> BucketName? {
            while waiting.isEmpty {
                guard let page = try await pages.next() else { return nil }
                waiting = page.compactMap { BucketName(streamName: $0) }[...]
            }
            return waiting.popFirst()
        }
    }
}

/// The statuses of an account's buckets, page by page; each loop asks anew.
public struct BucketStatuses: AsyncSequence, Sendable {
    /// A status.
    public typealias Element = BucketStatus

    private let context: JetStreamContext

    init(_ context: JetStreamContext) {
        self.context = context
    }

    /// Begins at the first bucket.
    public func makeAsyncIterator() -> Iterator {
        Iterator(context)
    }

    /// Reads one status after the other.
    public struct Iterator: AsyncIteratorProtocol {
        private let context: JetStreamContext
        private var pages: StreamPages<StreamInfoPage>.Iterator
        private var waiting: ArraySlice<StreamInfo> = []
        private var unanswered: ArraySlice<BucketName> = []

        fileprivate init(_ context: JetStreamContext) {
            self.context = context
            pages = context.streamInfos().makeAsyncIterator()
        }

        /// The next status; nil after the last.
        ///
        /// Throws what the server refuses the list, or a bucket of it, with.
        public mutating func next() async throws -> BucketStatus? {
            while true {
                if let info = waiting.popFirst() { return BucketStatus(Bucket(context, info)) }
                if let name = unanswered.popFirst() {
                    // Asked by itself a bucket has more time to answer; it may be gone as well.
                    do {
                        return BucketStatus(try await Buckets(context).bucket(name))
                    } catch let error as KeyValueError where error.code == .bucketNotFound {
                        continue
                    }
                }
                guard let page = try await pages.next() else { return nil }
                waiting = page.streams.filter { BucketName(streamName: $0.name) != nil }[...]
                unanswered = page.unanswered.compactMap { BucketName(streamName: $0) }[...]
            }
        }
    }
}
