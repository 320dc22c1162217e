import KVModel
import Testing

@Suite("Names, times and settings as text")
struct TextTests {
    @Test(
        "A timestamp reads what it writes",
        arguments: [
            (0, "1970-01-01T00:00:00Z"),
            (1_763_696_214_123_456_789, "2025-11-21T03:36:54.123456789Z"),
            (-1, "1969-12-31T23:59:59.999999999Z"),
            (951_782_400_000_000_000, "2000-02-29T00:00:00Z"),
            (1_000_000_000_500_000_000, "2001-09-09T01:46:40.5Z"),
            (Int64.max, "2262-04-11T23:47:16.854775807Z"),
        ] as [(Int64, String)]
    )
    func timestamp(nanoseconds: Int64, text: String) {
        #expect(Timestamp(nanoseconds: nanoseconds).description == text)
        #expect(Timestamp(rfc3339: text)?.nanoseconds == nanoseconds)
    }

    @Test(
        "Offsets are taken off",
        arguments: ["2026-11-21T05:36:54+02:00", "2026-11-20T23:36:54-04:00", "2026-11-21t03:36:54z"]
    )
    func offsets(text: String) {
        #expect(Timestamp(rfc3339: text) == Timestamp(rfc3339: "2026-11-21T03:36:54Z"))
    }

    @Test(
        "What is no time is none",
        arguments: [
            "", "2026", "2026-02-30T00:00:00Z", "2026-13-01T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:00:00",
            "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00Zx", "9999-01-01T00:00:00Z",
        ]
    )
    func notATime(text: String) {
        #expect(Timestamp(rfc3339: text) == nil)
    }

    @Test("Every random moment survives writing and reading")
    func randomMoments() {
        var generator = SplitMix(state: 7)
        for _ in 0..<20_000 {
            let moment = Timestamp(nanoseconds: Int64.random(in: .min / 2 ... .max, using: &generator))
            #expect(Timestamp(rfc3339: moment.description) == moment)
        }
    }

    @Test(
        "Durations",
        arguments: [
            ("90s", 90_000_000_000), ("15m", 900_000_000_000), ("1h30m", 5_400_000_000_000),
            ("30d", 2_592_000_000_000_000), ("250ms", 250_000_000), ("0", 0), ("1.5s", 1_500_000_000),
        ] as [(String, Int64)]
    )
    func duration(text: String, nanoseconds: Int64) throws {
        #expect(try DurationText.nanoseconds(text) == nanoseconds)
        #expect(try DurationText.nanoseconds(DurationText.text(nanoseconds: nanoseconds)) == nanoseconds)
    }

    @Test("What is no duration is refused", arguments: ["", "90", "x", "1q", "-5s", "99999999999999999999s", "1..5s"])
    func notADuration(text: String) {
        #expect(throws: ModelError.invalidDuration(text)) { try DurationText.nanoseconds(text) }
    }

    @Test(
        "Sizes",
        arguments: [
            ("4096", 4096), ("512KiB", 524_288), ("64MiB", 67_108_864), ("10GB", 10_000_000_000), ("unlimited", -1),
            ("1.5k", 1536), ("3mb", 3_000_000),
        ] as [(String, Int64)]
    )
    func size(text: String, bytes: Int64) throws {
        #expect(try SizeText.bytes(text) == bytes)
    }

    @Test("What is no size is refused", arguments: ["", "x", "5 MiB", "1XB", "-7"])
    func notASize(text: String) {
        #expect(throws: ModelError.invalidSize(text)) { try SizeText.bytes(text) }
    }

    @Test(
        "Sizes are shown in binary units",
        arguments: [(0, "0 B"), (1536, "1.5 KiB"), (1 << 30, "1 GiB"), (-1, "unlimited")]
    )
    func sizeShown(bytes: Int64, text: String) {
        #expect(SizeText.text(bytes: bytes) == text)
    }

    @Test("Bucket names", arguments: ["a", "A-b_9", String(repeating: "x", count: 252)])
    func bucketName(text: String) throws {
        let name = try BucketName(text)
        #expect(BucketName(streamName: name.streamName) == name)
        #expect(name.subjectPrefix == "$KV.\(text).")
    }

    @Test(
        "What is no bucket name is refused",
        arguments: ["", "a.b", "a b", "a/b", "ä", String(repeating: "x", count: 253)]
    )
    func notABucketName(text: String) {
        #expect(throws: ModelError.invalidBucketName(text)) { try BucketName(text) }
    }
}

struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
