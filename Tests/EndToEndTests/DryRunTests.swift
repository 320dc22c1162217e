import Foundation
import TestSupport
import Testing

@Suite("A dry run shows what would be done, and does nothing", .serialized)
struct DryRunTests {
    /// Every stream's configuration, state and creation, as the server lists them when nobody reads them any more.
    private func streams(_ rig: Rig) async throws -> String {
        try await eventually("the backup's consumer to be gone") {
            try await rig.server.withClient { client in
                let list = try client.api("STREAM.LIST")["streams"] as? [[String: Any]] ?? []
                return list.allSatisfy { ($0["state"] as? [String: Any])?["consumer_count"] as? Int == 0 }
            }
        }
        return try await rig.server.withClient { client in
            let list = try client.api("STREAM.LIST")["streams"] as? [[String: Any]] ?? []
            let told = list.map { stream in stream.filter { ["config", "state", "created"].contains($0.key) } }
            return String(
                decoding: try JSONSerialization.data(withJSONObject: told, options: .sortedKeys),
                as: UTF8.self
            )
        }
    }

    @Test("Settings, losses and an estimate, for every kind of target", arguments: ServerBinary.all)
    func restore(binary: ServerBinary) async throws {
        let rig = try await Rig(binary)
        defer { rig.close() }
        try await rig.createBucket("src", history: 10)
        try await rig.createBucket("full")
        try await rig.createBucket("empty")
        try await rig.fill("full", count: 10, keys: 5, size: 10)
        try await rig.fill("src", count: 1000, keys: 100, size: 500)
        _ = try await rig.server.withClient { client in
            try client.putMany("src", [RawPut(key: Array("large".utf8), value: [UInt8](repeating: 7, count: 5000))])
        }
        try await rig.backup("src")
        let before = try await streams(rig)
        let settings = ["--set", "history=4", "--set", "storage=memory", "--set", "max-value-size=4KiB", "--dry-run"]
        for (name, more) in [("new", []), ("empty", ["--into-existing"]), ("full", ["--replace"])] {
            let report = try await rig.restore(as: name, settings + more)
            let plan = try report.object("plan")
            let told = plan["settings"] as? [[String: Any]] ?? []
            let updates = Dictionary(
                uniqueKeysWithValues: told.map { ($0["setting"] as? String, $0["update"] as? String) }
            )
            #expect(updates == ["history": "in-place", "max-value-size": "in-place", "storage": "recreation"])
            let losses = plan["losses"] as? [[String: Any]] ?? []
            let counts = Dictionary(
                uniqueKeysWithValues: losses.map { ($0["setting"] as? String, $0["entries"] as? Int) }
            )
            #expect(counts == ["history": 600, "max-value-size": 1])
            #expect(losses.first { $0["setting"] as? String == "max-value-size" }?["effect"] as? String == "refused")
            #expect((plan["estimate"] as? [String: Any])?["writing_seconds"] is NSNumber)
        }
        let text = try await rig.cistern(["restore", rig.archive, "--as", "new", "--map", ">=x.>"] + settings)
            .outputText
        for part in ["needs a new bucket", "changed in place", "refused: writing them", "large at 1001", "Estimate:"] {
            #expect(text.contains(part), "\(part) in:\n\(text)")
        }
        #expect(try await streams(rig) == before)
    }
}
