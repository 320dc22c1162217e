import Foundation

/// What a NATS server says: the first byte of an input chooses who has to read it, the rest is read.
struct ProtocolFuzz: FuzzTarget {
    func take(_ input: UnsafeRawBufferPointer) throws {
        guard let first = input.first else { return }
        let readers = ProtocolReader.allCases
        try readers[Int(first) % readers.count].read(Array(input.dropFirst()))
    }

    /// What real servers have said, whole for those who read a connection and piece by piece for the others.
    func corpus() throws -> [[UInt8]] {
        let transcripts = try Self.transcripts()
        var inputs: [[UInt8]] = []
        for (index, reader) in ProtocolReader.allCases.enumerated() {
            for seed in try reader.seeds(transcripts) { inputs.append([UInt8(index)] + seed) }
        }
        return inputs
    }

    private static func transcripts() throws -> [[UInt8]] {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Transcripts")
        return try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted().map {
            Array(try Data(contentsOf: folder.appendingPathComponent($0)))
        }
    }
}
