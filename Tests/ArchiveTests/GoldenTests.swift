import Foundation
import KVModel
import Schedule
import Testing

@testable import Archive

/// Archives that earlier versions made, with what they held: `NAME.cistern`, and beside it `NAME.txt` with a line for
/// each point: bucket, revision, digest, entries, keys.
private let golden = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("Fixtures/archives").path

private func lines(_ path: String) throws -> [String] {
    let reader = try ArchiveReader.open(path: path)
    return try reader.incarnations().flatMap { incarnation in
        try reader.snapshot().read { try $0.points(incarnation.id) }.map { stored in
            let revision = stored.point.revision
            let digest = try reader.digest(of: incarnation.id, at: revision)
            return "\(incarnation.bucket) \(revision) \(digest.hex) \(digest.entries) \(digest.keys)"
        }
    }
}

@Test("Archives of every format version that ever was are read as they were written")
func goldenArchives() throws {
    // CISTERN_MAKE_GOLDEN=1 makes one of the present format, which is then committed with the version that releases it.
    if ProcessInfo.processInfo.environment["CISTERN_MAKE_GOLDEN"] != nil {
        let name = golden + "/format-\(ArchiveFormat.version)"
        try FileManager.default.createDirectory(atPath: golden, withIntermediateDirectories: true)
        guard !FileManager.default.fileExists(atPath: name + ".cistern") else { return }
        var history = try RandomHistory(seed: 1, path: name + ".cistern")
        try history.grow(commits: 20)
        let writer = try ArchiveWriter.open(path: name + ".cistern")
        try writer.audited("prune") { _ in try writer.prune(RetentionPolicy(last: 5, keepsTags: true)) }
        try writer.close()
        try history.grow(commits: 8)
        try lines(name + ".cistern").joined(separator: "\n").write(
            toFile: name + ".txt",
            atomically: true,
            encoding: .utf8
        )
    }
    guard FileManager.default.fileExists(atPath: golden) else { return }
    for file in try FileManager.default.contentsOfDirectory(atPath: golden) where file.hasSuffix(".cistern") {
        // Reading makes files beside an archive: it is done on a copy.
        let archive = try TestArchive()
        let source = golden + "/" + file
        try FileManager.default.copyItem(atPath: source, toPath: archive.path)
        let expected = try String(contentsOfFile: source.dropLast(8) + ".txt", encoding: .utf8)
        #expect(try lines(archive.path) == expected.split(separator: "\n").map { String($0) }, "\(file)")
        #expect(try ArchiveReader.open(path: archive.path).verify().problems == [], "\(file)")
    }
}
