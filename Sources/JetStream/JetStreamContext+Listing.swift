import KVModel

/// Streams that the server lists together, and those whose leaders did not answer it in time.
public struct StreamInfoPage: Sendable, Hashable {
    /// What the server says of the streams, in the order of their names.
    public let streams: [StreamInfo]
    /// The names of streams that it could not say anything of.
    public let unanswered: [String]
}

/// A list that the server gives page by page; the next page is asked for when it is wanted.
///
/// Pages are counted from the first stream on: one that is deleted between two of them may hide another.
public struct StreamPages<Page: Sendable>: AsyncSequence, Sendable {
    /// One page.
    public typealias Element = Page

    private let context: JetStreamContext
    private let verb: String
    private let subject: String?
    private let page: @Sendable (JSONValue) -> (page: Page, count: Int)

    init(
        _ context: JetStreamContext,
        _ verb: String,
        subject: String?,
        _ page: @escaping @Sendable (JSONValue) -> (page: Page, count: Int)
    ) {
        self.context = context
        self.verb = verb
        self.subject = subject
        self.page = page
    }

    /// Begins at the first page.
    public func makeAsyncIterator() -> Iterator {
        Iterator(self)
    }

    /// Asks for one page after the other.
    public struct Iterator: AsyncIteratorProtocol {
        private let pages: StreamPages
        private var offset: Int64 = 0
        private var isDone = false

        fileprivate init(_ pages: StreamPages) {
            self.pages = pages
        }

        /// The next page; nil after the last.
        ///
        /// Throws what the server refuses the list with.
        public mutating func next() async throws -> Page? {
            guard !isDone else { return nil }
            var body: JSONValue = ["offset": .integer(offset)]
            if let subject = pages.subject { body["subject"] = .string(subject) }
            // A cluster's leader waits for others before it lists streams without them: 4 s (2.10 to 2.15).
            let timeout = pages.context.timeout + .seconds(5)
            let reply = try await pages.context.request(pages.verb, body, timeout: timeout)
            let (page, count) = pages.page(reply)
            // A stream that is offline may be on a page twice, as a stream and as missing: the page's own size counts.
            let limit = reply["limit"]?.integer ?? 0
            offset += limit > 0 ? limit : Int64(count)
            isDone = count == 0 || offset >= reply["total"]?.integer ?? 0
            return page
        }
    }
}

extension JetStreamContext {
    /// The names of the streams that take messages of a subject, or of all, page by page.
    public func streamNames(subject: String? = nil) -> StreamPages<[String]> {
        StreamPages(self, "STREAM.NAMES", subject: subject) { reply in
            let names = (reply["streams"]?.array ?? []).compactMap(\.string)
            return (names, names.count)
        }
    }

    /// What the server says of the streams that take messages of a subject, or of all, page by page.
    public func streamInfos(subject: String? = nil) -> StreamPages<StreamInfoPage> {
        StreamPages(self, "STREAM.LIST", subject: subject) { reply in
            let unanswered = (reply["missing"]?.array ?? []).compactMap(\.string)
            // Of those a server may say what it knows without having asked them, which is not what they hold.
            let streams = (reply["streams"]?.array ?? []).compactMap(StreamInfo.init)
                .filter { !unanswered.contains($0.name) }
            let page = StreamInfoPage(streams: streams, unanswered: unanswered)
            return (page, streams.count + unanswered.count)
        }
    }
}
