import Foundation

/// A new folder for one test, removed with all it holds when the last reference goes or `remove()` is called.
public final class TemporaryDirectory: Sendable {
    /// The folder's absolute path, without a slash at the end.
    public let path: String

    /// Makes the folder below the system's folder for such things.
    public init(_ name: String = "test") throws {
        let parent = FileManager.default.temporaryDirectory
        let url = parent.appendingPathComponent("cistern-\(name)-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        path = url.path
    }

    deinit {
        remove()
    }

    /// The path of `name` inside the folder.
    public func file(_ name: String) -> String {
        path + "/" + name
    }

    /// Removes the folder; a second call does nothing.
    public func remove() {
        // Nothing to do about a failure here, and a test's verdict must not hang on it.
        try? FileManager.default.removeItem(atPath: path)
    }
}
