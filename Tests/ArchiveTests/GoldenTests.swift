import Foundation
import KVModel
import Schedule
import Testing

@testable import Archive

/// Archives that earlier versions made, with what they held: `NAME.cistern`, and beside it `NAME.txt` with a line for
/// each point: bucket, revision, digest, entries, keys.
private let golden = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("Fixtures/archives").path

/// The key of those that are encrypted; there is nothing to hide in them.
private let goldenKey = Array(("cistern-key-1:" + String(repeating: "5a", count: 32) + "\n").utf8)

private func key(of name: String) throws -> ArchiveKey? {
    name.contains("encrypted") ? try ArchiveKey(keyFile: goldenKey) : nil
}

private func lines(_ path: String, _ key: ArchiveKey?) throws -> [String] {
    let reader = try ArchiveReader.open(path: path, key: key)
    return try reader.incarnations().flatMap { incarnation in
        let points = try reader.snapshot().read { try $0.points(incarnation.id) }.map { stored in
            let revision = stored.point.revision
            let digest = try reader.digest(of: incarnation.id, at: revision)
            return "\(incarnation.bucket) \(revision) \(digest.hex) \(digest.entries) \(digest.keys)"
        }
        let steps = try reader.migrationRecords(of: incarnation.id).map { "\(incarnation.bucket) \($0.step)" }
        return points + steps
    }
}

private func makeGolden(_ name: String) throws {
    let path = "\(golden)/\(name).cistern"
    guard !FileManager.default.fileExists(atPath: path) else { return }
    try FileManager.default.createDirectory(atPath: golden, withIntermediateDirectories: true)
    let key = try key(of: name)
    var history = try RandomHistory(seed: 1, path: path, key: key)
    try history.grow(commits: 20)
    let writer = try ArchiveWriter.open(path: path, key: key)
    try writer.audited("prune") { _ in try writer.prune(RetentionPolicy(last: 5, keepsTags: true)) }
    let time = Timestamp(nanoseconds: 1_790_000_000_000_000_000)
    for step in ["trial", "fence"] {
        try writer.recordMigration(history.incarnation.id, step: step, detail: "{}", at: time)
    }
    try writer.close()
    try history.grow(commits: 8)
    try lines(path, key).joined(separator: "\n").write(
        toFile: "\(golden)/\(name).txt",
        atomically: true,
        encoding: .utf8
    )
    // Whoever has read it leaves these.
    for suffix in ["-wal", "-shm"] where FileManager.default.fileExists(atPath: path + suffix) {
        try FileManager.default.removeItem(atPath: path + suffix)
    }
}

@Test("Archives of every format version that ever was are read as they were written")
func goldenArchives() throws {
    // CISTERN_MAKE_GOLDEN=1 makes those of the present format, which are then committed with the version that brings it.
    if ProcessInfo.processInfo.environment["CISTERN_MAKE_GOLDEN"] != nil {
        for name in ["format-\(ArchiveFormat.version)", "format-\(ArchiveFormat.version)-encrypted"] {
            try makeGolden(name)
        }
    }
    let files = try FileManager.default.contentsOfDirectory(atPath: golden).filter { $0.hasSuffix(".cistern") }
    for version in 1...ArchiveFormat.version {
        for name in ["format-\(version).cistern", "format-\(version)-encrypted.cistern"] {
            #expect(files.contains(name))
        }
    }
    for file in files {
        // Reading makes files beside an archive: it is done on a copy.
        let archive = try TestArchive()
        let source = golden + "/" + file
        try FileManager.default.copyItem(atPath: source, toPath: archive.path)
        let expected = try String(contentsOfFile: source.dropLast(8) + ".txt", encoding: .utf8)
        let key = try key(of: file)
        #expect(try lines(archive.path, key) == expected.split(separator: "\n").map { String($0) }, "\(file)")
        #expect(try ArchiveReader.open(path: archive.path, key: key).verify().problems == [], "\(file)")
    }
}
