import Foundation
import KVModel

/// Entries whose keys and values can be searched for in a file: random bytes, which compression leaves as they are.
enum Secrets {
    static func entries(_ count: Int) -> [Entry] {
        var random = SeededGenerator(seed: 73)
        return (1...count).map { number in
            Entry(
                revision: Revision(number),
                time: Timestamp(nanoseconds: Int64(number) * 1_000_000_000),
                operation: .put,
                key: Key(bytes: random.bytes(24)),
                headers: [],
                value: random.bytes(40)
            )
        }
    }

    /// The revisions of entries whose key or value stands in the archive's file, its log or any other file beside it.
    static func found(_ entries: [Entry], in archive: borrowing TestArchive) throws -> Set<Int> {
        var result: Set<Int> = []
        let names = try FileManager.default.contentsOfDirectory(atPath: archive.directory)
        let files = try names.map { try Data(contentsOf: URL(fileURLWithPath: archive.directory + "/" + $0)) }
        for entry in entries {
            // Neighbours in the sorted dictionary may share the first bytes of a key.
            for needle in [Array(entry.key.bytes.suffix(16)), entry.value] where contains(needle, files) {
                result.insert(Int(entry.revision))
            }
        }
        return result
    }

    static func contains(_ needle: [UInt8], _ files: [Data]) -> Bool {
        files.contains { $0.range(of: Data(needle)) != nil }
    }
}
