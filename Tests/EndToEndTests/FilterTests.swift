import Foundation
import TestSupport
import Testing

@Suite("Backups of a part of a bucket", .serialized)
struct FilterTests {
    @Test("What an archive of some keys claims, everywhere", arguments: [ServerBinary.all.first, .all.last])
    func filtered(binary: ServerBinary?) async throws {
        let rig = try await Rig(binary)
        defer { rig.close() }
        try await rig.createBucket("src", history: 5)
        _ = try await rig.server.withClient { client in
            for (prefix, seed) in [("eu.", UInt64(1)), ("us.", 2), ("eu.shared.", 3)] {
                try client.fill("src", count: 200, keys: 30, size: 50, prefix: prefix, seed: seed)
            }
        }
        let backup = ["backup", "src", "--archive", rig.archive, "--filter", "eu.>", "--filter", "eu.*", "--verify"]
        let text = try await rig.cistern(backup).outputText
        #expect(text.contains("of the keys eu.> only"))
        try await rig.cistern(["verify", rig.archive, "--against", "src"])
        let difference = try await rig.cistern(["diff", rig.archive, "src"])
        #expect(difference.errorText.contains("only keys of eu.> are compared"))
        #expect(try await CisternProcess.run(["list", rig.archive]).outputText.contains("eu.>"))
        let refused = try await rig.cistern(["backup", "src", "--archive", rig.archive], code: 64)
        #expect(refused.errorText.contains("--filter 'eu.>'"))
        let report = try await rig.restore(as: "copy")
        #expect(try report.object("source")["filter"] as? [String] == ["eu.>"])
        let kept = try await rig.messages("src").filter { $0.key(in: "src").starts(with: Array("eu.".utf8)) }
        let found = try await rig.messages("copy")
        let differences = BucketComparison.differences(kept, in: "src", found, in: "copy", mode: .replayed)
        #expect(differences.isEmpty, "\(differences)")
    }
}
