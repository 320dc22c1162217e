/// Makes the entries of a bucket that is as nasty as a real one may become; the same seed makes the same entries.
///
/// The bucket should have a history of 64. Among the entries are deletes, purges, empty values, one key with more
/// revisions than a history holds, keys with every legal character, custom headers and values up to 1 MiB.
public struct BucketGenerator: Sendable {
    /// How many entries.
    public var entries: Int
    /// From what everything follows.
    public var seed: UInt64
    /// How many different keys, roughly.
    public var keys: Int
    /// How many values are large.
    public var largeValues = 4
    /// The size of those: unless said otherwise the server's default `max_payload` with room for headers.
    ///
    /// With 1 MiB exactly, an entry can be stored but not written again with one more header.
    public var largeValueSize = (1 << 20) - 256
    /// Also keys that servers take but clients forbid: UTF-8, `:`, `$`, `@` and more.
    public var hasOddKeys = false

    /// Every character that the KV specification allows in a key.
    public static let legalCharacters = "-/_=.ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

    /// A generator of `entries` entries over a quarter as many keys.
    public init(entries: Int, seed: UInt64) {
        self.entries = entries
        self.seed = seed
        keys = max(1, entries / 4)
    }

    /// The writes, in order.
    public func puts() -> [RawPut] {
        var random = SeededGenerator(seed: seed)
        let names = keyNames(&random)
        let pool = random.bytes(max(largeValueSize, 40_000) + 65_536)
        let spacing = max(1, entries / max(1, largeValues))
        var puts: [RawPut] = []
        puts.reserveCapacity(entries)
        for index in 0..<entries {
            if largeValues > 0, index % spacing == spacing / 2 {
                puts.append(RawPut(key: Array("large.\(index)".utf8), value: Array(pool[..<largeValueSize])))
                continue
            }
            puts.append(put(&random, names, pool, index))
        }
        return puts
    }

    /// Writes all of it into a bucket; returns the last revision.
    @discardableResult
    public func write(to bucket: String, with client: RawNATS) throws -> UInt64 {
        try client.putMany(bucket, puts())
    }

    private func put(_ random: inout SeededGenerator, _ names: [[UInt8]], _ pool: [UInt8], _ index: Int) -> RawPut {
        // One key in a hundred entries or more often: it ends with more revisions than any history keeps.
        let often = max(2, min(100, entries / 80))
        let key = index % often == 0 ? Array("busy.key".utf8) : names[Int.random(in: 0..<names.count, using: &random)]
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<8:
            return .delete(key)
        case 8..<11:
            return .purge(key)
        case 11..<16:
            return RawPut(key: key)
        case 16..<24:
            var headers = [RawHeader("X-Author", "user-\(index % 17)"), RawHeader("x-author", "two of a name")]
            headers.append(RawHeader("X-Reason", "caf\u{e9} \(index): a value with: colons"))
            return RawPut(key: key, headers: headers, value: value(&random, pool))
        default:
            return RawPut(key: key, value: value(&random, pool))
        }
    }

    private func value(_ random: inout SeededGenerator, _ pool: [UInt8]) -> [UInt8] {
        let size =
            switch Int.random(in: 0..<1_000, using: &random) {
            case 0..<700: Int.random(in: 1..<120, using: &random)
            case 700..<980: Int.random(in: 120..<2_000, using: &random)
            default: Int.random(in: 2_000..<40_000, using: &random)
            }
        let offset = Int.random(in: 0..<65_536, using: &random)
        if random.chance(1, in: 2) { return Array(pool[offset..<(offset + size)]) }
        let sentence = Array(#"{"enabled":true,"rollout":\#(offset % 101),"owner":"team-\#(offset % 23)","#.utf8)
        return (0..<(size / sentence.count + 1)).flatMap { _ in sentence }
    }

    private func keyNames(_ random: inout SeededGenerator) -> [[UInt8]] {
        let legal = Array(Self.legalCharacters.utf8)
        // A dot may neither begin nor end a key, nor follow another.
        let withoutDot = legal.filter { $0 != 0x2E }
        var names = [legal, withoutDot, Array("a".utf8), Array("=".utf8), Array("/-_=".utf8)]
        var long = Array("deep".utf8)
        for index in 0..<60 { long += index % 4 == 3 ? Array(".".utf8) : [withoutDot[index]] }
        names.append(long + Array("end".utf8))
        if hasOddKeys {
            let odd = ["stra\u{df}e.\u{1F511}", "a:b", "$price", "user@example.com", "50%", "\"quoted\"", "a*b.c>d"]
            names += odd.map { Array($0.utf8) }
        }
        let services = ["api", "billing", "search", "mail", "auth"]
        while names.count < keys {
            if random.chance(1, in: 10) {
                let length = Int.random(in: 1..<40, using: &random)
                names.append((0..<length).map { _ in withoutDot[Int.random(in: 0..<withoutDot.count, using: &random)] })
            } else {
                let service = services[Int.random(in: 0..<services.count, using: &random)]
                names.append(Array("\(service).config.\(names.count).value".utf8))
            }
        }
        return names
    }
}
