import Foundation
import TestSupport
import Testing

/// The code that the articles show is the code that is compiled and run here.
@Suite struct ArticleTests {
    private static let catalogue = ServerBinary.repository + "/Sources/KeyValue/KeyValue.docc"
    private static let examples = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path

    static var articles: [String] {
        let files = (try? FileManager.default.contentsOfDirectory(atPath: catalogue)) ?? []
        return files.filter { $0.hasSuffix(".md") }.map { String($0.dropLast(3)) }.sorted()
    }

    /// The blocks of Swift of an article, in order.
    private static func shown(_ article: String) throws -> [String] {
        try parts(of: "\(catalogue)/\(article).md", from: "```swift", to: "```")
    }

    /// The marked parts of a file of code, in order and without their indentation.
    private static func compiled(_ article: String) throws -> [String] {
        let path = "\(examples)/\(article).swift"
        guard FileManager.default.fileExists(atPath: path) else { return [] }
        return try parts(of: path, from: "// region", to: "// end")
    }

    private static func parts(of path: String, from start: String, to end: String) throws -> [String] {
        var parts: [String] = []
        var lines: [String]?
        for line in try String(contentsOfFile: path, encoding: .utf8).components(separatedBy: "\n") {
            let bare = line.trimmingCharacters(in: .whitespaces)
            if bare == start {
                lines = []
            } else if bare == end, let found = lines {
                parts.append(withoutIndentation(found))
                lines = nil
            } else {
                lines?.append(line)
            }
        }
        #expect(lines == nil, "\(path): a part without its end")
        return parts
    }

    private static func withoutIndentation(_ lines: [String]) -> String {
        let depth = lines.filter { !$0.isEmpty }.map { $0.prefix { $0 == " " }.count }.min() ?? 0
        return lines.map { String($0.dropFirst(depth)) }.joined(separator: "\n")
            .trimmingCharacters(in: .newlines)
    }

    @Test func findsTheArticles() {
        #expect(Self.articles.count >= 7)
        #expect(Self.articles.contains("GettingStarted"))
    }

    @Test(arguments: articles) func showsWhatIsCompiled(article: String) throws {
        let (shown, compiled) = (try Self.shown(article), try Self.compiled(article))
        #expect(shown.count == compiled.count)
        for (left, right) in zip(shown, compiled) { #expect(left == right) }
    }
}
