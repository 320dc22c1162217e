public import Foundation
import Synchronization

/// nats-py, the official Python client, in a process of its own that does what a test tells it.
///
/// `scripts/setup` installs it. A script speaks for it: see `interop.py` of the tests that use it.
public final class PythonPeer: Sendable {
    /// What it is to do: the name of a method of the script, and what that needs.
    public struct Command: Encodable, Sendable {
        /// The method.
        public var name: String
        /// The server to connect to.
        public var url: String?
        /// The bucket.
        public var bucket: String?
        /// The key, or the pattern of keys of a watch.
        public var key: String?
        /// The value.
        public var value: Data?
        /// The revision to read, or to expect.
        public var revision: UInt64?
        /// A lifetime in seconds.
        public var lifetime: Int?
        /// An age in seconds.
        public var age: Int?
        /// What keys must contain.
        public var filters: [String]?
        /// Whether a watch shows the history.
        public var history: Bool?
        /// Whether a watch leaves out markers.
        public var ignoreDeletes: Bool?
        /// Whether a watch leaves out values.
        public var metaOnly: Bool?
        /// The number of a watch.
        public var watch: Int?
        /// Settings of a bucket, as nats-py names them.
        public var settings: [String: Setting]?

        /// A command of a name, about a bucket and a key.
        public init(_ name: String, _ bucket: String? = nil, _ key: String? = nil) {
            self.name = name
            self.bucket = bucket
            self.key = key
        }

        /// The command with other things said as well.
        public func with(_ change: (inout Command) -> Void) -> Command {
            var copy = self
            change(&copy)
            return copy
        }
    }

    /// A bucket's setting.
    public enum Setting: Encodable, Sendable, ExpressibleByStringLiteral, ExpressibleByIntegerLiteral {
        case text(String)
        case number(Int)
        case group([String: String])

        /// A text.
        public init(stringLiteral value: String) { self = .text(value) }
        /// A number.
        public init(integerLiteral value: Int) { self = .number(value) }

        /// The bare value.
        public func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            switch self {
            case .text(let text): try container.encode(text)
            case .number(let number): try container.encode(number)
            case .group(let group): try container.encode(group)
            }
        }
    }

    /// What it found.
    public struct Answer: Decodable, Sendable {
        /// The class of the exception that was raised, if one was.
        public var error: String?
        /// Facts, or the exception's words.
        public var text: String?
        /// The revision of what was written.
        public var revision: UInt64?
        /// Entries.
        public var entries: [Entry]?
        /// Keys, in alphabetical order.
        public var keys: [String]?
        /// The number of a watch.
        public var watch: Int?
    }

    /// An entry as nats-py shows it.
    public struct Entry: Decodable, Sendable, Equatable {
        /// Its key.
        public var key: String
        /// Its value.
        public var value: Data
        /// Its revision.
        public var revision: UInt64?
        /// How many entries were still to come.
        public var delta: UInt64?
        /// `DEL`, `PURGE`, or nil for a value.
        public var operation: String?
    }

    /// What it raised where a test wanted an answer.
    public struct Raised: Error, CustomStringConvertible {
        /// The class and the words.
        public let description: String
    }

    /// The interpreter with nats-py, which `scripts/setup` makes.
    private static let python = ServerBinary.repository + "/.cache/python/bin/python"

    /// Whether nats-py is there.
    public static let isThere = FileManager.default.isExecutableFile(atPath: python)

    /// Whether it must be there: everything must where tests are run for a verdict.
    public static let isDemanded = ProcessInfo.processInfo.environment["CI"] != nil

    private let process: Process
    private let toPython: FileHandle
    private let fromPython: FileHandle
    private let rest = Mutex(Data())

    /// Starts a script, which must be one that answers each line with a line.
    public init(script: String) throws {
        let (input, output) = (Pipe(), Pipe())
        process = Process()
        process.executableURL = URL(fileURLWithPath: Self.python)
        process.arguments = ["-u", script]
        process.standardInput = input
        process.standardOutput = output
        toPython = input.fileHandleForWriting
        fromPython = output.fileHandleForReading
        try process.run()
    }

    deinit { process.terminate() }

    /// Ends it.
    public func close() { process.terminate() }

    /// Has it do something, and gives what it found or raised; one at a time.
    public func answer(to command: Command) async throws -> Answer {
        let line = try JSONEncoder().encode(command) + Data("\n".utf8)
        return try await onOwnThread { [self] in
            try toPython.write(contentsOf: line)
            return try JSONDecoder().decode(Answer.self, from: readLine())
        }
    }

    /// Has it do something; what it raises is thrown.
    @discardableResult
    public func perform(_ command: Command) async throws -> Answer {
        let answer = try await answer(to: command)
        if let error = answer.error { throw Raised(description: "\(error): \(answer.text ?? "")") }
        return answer
    }

    private func readLine() throws -> Data {
        try rest.withLock { rest in
            var searched = 0
            while true {
                if let end = Self.lineEnd(in: rest, from: searched) {
                    let line = rest.prefix(end)
                    rest = Data(rest.dropFirst(end + 1))
                    return line
                }
                searched = rest.count
                let more = fromPython.availableData
                guard !more.isEmpty else { throw Raised(description: "the Python process has ended") }
                rest.append(more)
            }
        }
    }

    /// Where the first line ends; by the C library, for in a debug build values of a mebibyte take long otherwise.
    private static func lineEnd(in data: Data, from start: Int) -> Int? {
        data.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress, start < bytes.count,
                let found = memchr(base + start, 10, bytes.count - start)
            else { return nil }
            return UnsafeRawPointer(found) - base
        }
    }
}
