import Testing

@testable import StreamSnapshot

@Suite("HighwayHash-64, SHA-256 and CRC-32C")
struct HighwayHashTests {
    private static let vectors: [(count: Int, hash: String)] = [
        (0, "536ec222de567a90"), (1, "78ddcdc7aa43ab7e"), (2, "623db5b09a56d0b8"), (3, "803d468aabef6b5c"),
        (4, "da7e009368a405f2"), (5, "4145a9e468168a2b"), (7, "8294f53817ae024d"), (8, "71315fe5085120e1"),
        (15, "3bf349a4863f7940"), (16, "32b87ef98934abcf"), (17, "e2c0c5c8d267fe19"), (31, "685a03cf7c00c79f"),
        (32, "fc80d5ecd964c9a0"), (33, "fc8131a03cf7902c"), (63, "a03921bfe9eb8eab"), (64, "ffa6d24c5d2c5475"),
    ]

    private func hexadecimal(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    @Test("The hash of n bytes under the key 0, 1, 2 … is known", arguments: vectors)
    func knownHashes(vector: (count: Int, hash: String)) {
        let data = (0..<vector.count).map { UInt8($0) }
        let hash = HighwayHash64.hash(data, key: (0..<32).map { UInt8($0) })
        #expect(hexadecimal((0..<8).map { UInt8(truncatingIfNeeded: hash >> UInt64($0 * 8)) }) == vector.hash)
    }

    @Test("Bytes hash the same in whatever pieces they come")
    func pieces() {
        let key = (0..<32).map { UInt8($0) }
        let data = (0..<200).map { UInt8($0) }
        let whole = HighwayHash64.hash(data, key: key)
        for first in 0...100 {
            var hash = HighwayHash64(key: key)
            for part in [data[..<first], data[first..<(first * 2)], data[(first * 2)...]] {
                Array(part).withUnsafeBytes { hash.update($0) }
            }
            #expect(hash.finish() == whole, "cut at \(first)")
        }
    }

    @Test("The hash is the same with the processor's vectors and without, at every length and wherever it is cut")
    func vectorsOrNot() {
        let keyed = HighwayHash64(key: (0..<32).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ 5) })
        let data = (0..<150).map { UInt8(truncatingIfNeeded: $0 &* 167 &+ 13) }
        data.withUnsafeBytes { bytes in
            for end in 0...data.count {
                for cuts in [(0, 0, 0), (16, 36, 36), (end / 3, end / 2, end - 1), (1, 33, 65), (31, 32, 64)] {
                    let places = [0, cuts.0, cuts.1, cuts.2, end].map { min(max(0, $0), end) }.sorted()
                    let parts = zip(places, places.dropFirst()).map { UnsafeRawBufferPointer(rebasing: bytes[$0..<$1]) }
                    #expect(
                        keyed.hash(parts[0], parts[1], parts[2], parts[3])
                            == keyed.stepwise(parts[0], parts[1], parts[2], parts[3]),
                        "\(places)"
                    )
                }
            }
        }
    }

    @Test("SHA-256 and CRC-32C of the standards' examples")
    func standards() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        #expect(hexadecimal(SHA256.digest("abc")) == abc)
        let long = "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        #expect(hexadecimal(SHA256.digest("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")) == long)
        #expect(Array("123456789".utf8).withUnsafeBytes { CRC32C.checksum($0) } == 0xe306_9283)
        #expect([UInt8](repeating: 0, count: 32).withUnsafeBytes { CRC32C.checksum($0) } == 0x8a91_36aa)
    }

    @Test("CRC-32C is the same with the processor's instruction and without, at every length and place")
    func checksums() {
        let bytes = (0..<200).map { UInt8(truncatingIfNeeded: $0 &* 167 &+ 13) }
        for start in 0..<9 {
            for end in start...bytes.count {
                bytes[start..<end].withUnsafeBytes { part in
                    #expect(CRC32C.checksum(part) == CRC32C.tabled(part))
                }
            }
        }
    }
}
