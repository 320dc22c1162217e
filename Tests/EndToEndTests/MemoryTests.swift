import Foundation
import TestSupport
import Testing

@Suite("Peak memory", .serialized)
struct MemoryTests {
    @Test(
        "A capture's memory is bounded, whatever the bucket's size",
        arguments: [(entries: 1_000_000, size: 256, limit: 150), (entries: 2000, size: 1 << 20, limit: 250)]
    )
    func capture(entries: Int, size: Int, limit: Int) async throws {
        let rig = try await Rig()
        defer { rig.close() }
        try await rig.createBucket("src", history: 5)
        try await rig.fill("src", count: entries, keys: entries / 5, size: size)
        let backup = try await rig.cistern(["backup", "src", "--archive", rig.archive, "--json"])
        #expect(try Report(backup).number("consistent_revision") == UInt64(entries))
        #expect(backup.peakMemory < limit << 20, "\(backup.peakMemory >> 20) MiB")
        let verify = try await rig.cistern(["verify", rig.archive])
        #expect(verify.peakMemory < limit << 20, "\(verify.peakMemory >> 20) MiB")
    }
}
