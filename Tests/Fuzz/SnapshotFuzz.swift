/// The S2 and snapshot decoders: the first byte of an input says at which layer it goes in, the second in what pieces.
struct SnapshotFuzz: FuzzTarget {
    func corpus() throws -> [[UInt8]] {
        try SnapshotLayer.allCases.enumerated().flatMap { index, layer in
            try layer.corpus().map { [UInt8(index), 0] + $0 }
        }
    }

    func take(_ input: UnsafeRawBufferPointer) throws {
        guard input.count > 2 else { return }
        let layers = SnapshotLayer.allCases
        let piece = input[1] == 0 ? Int.max : Int(input[1])
        _ = try layers[Int(input[0]) % layers.count].digest(Array(input[2...]), piece: piece)
    }
}
