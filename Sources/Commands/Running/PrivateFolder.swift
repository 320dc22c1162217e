import Foundation

/// A new folder for the time being that only this user can look into.
struct PrivateFolder: Sendable {
    /// Where it is.
    let path: String

    /// Makes it, where TMPDIR says or in /tmp.
    init(_ environment: [String: String]) throws {
        let parent = environment["TMPDIR"].flatMap { $0.isEmpty ? nil : $0 } ?? "/tmp"
        var template = Array("\(parent)/cistern-copy-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw CommandError(
                .outputFailed,
                text: "no folder can be made in \(parent): \(String(cString: strerror(errno)))",
                hint: "name another with TMPDIR"
            )
        }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Removes it with all that is in it.
    func remove() throws {
        try FileManager.default.removeItem(atPath: path)
    }
}
