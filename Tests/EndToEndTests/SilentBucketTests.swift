import Foundation
import TestSupport
import Testing

/// A bucket of a cluster of which no server answers: what stands on a list of buckets must not pass it over.
@Suite("Buckets that do not answer")
struct SilentBucketTests {
    /// Runs `body` on a cluster with two buckets, of which one had its only copy on a server that is gone.
    private func withCluster(_ body: (ServerCluster) async throws -> Void) async throws {
        let cluster = try await ServerCluster.start()
        defer { cluster.close() }
        let port = cluster.nodes[0].port
        for (bucket, site) in [("here", 1), ("gone", 3)] {
            try await Self.eventually(port, "bucket \(bucket)") { client in
                try client.createStream(
                    #"{"name":"KV_\#(bucket)","subjects":["$KV.\#(bucket).>"],"max_msgs_per_subject":1,"#
                        + #""allow_rollup_hdrs":true,"deny_delete":true,"discard":"new","storage":"file","#
                        + #""num_replicas":1,"placement":{"tags":["site:\#(site)"]}}"#
                )
                _ = try client.put(bucket, "k", "v")
            }
        }
        try await cluster.nodes[2].kill()
        // It may have been the leader of them all, and nobody answers before there is another.
        try await Self.eventually(port, "a cluster of two servers") { try $0.api("STREAM.NAMES") }
        try await body(cluster)
    }

    /// Asks a cluster until it answers: what is asked while it elects a leader is lost.
    private static func eventually(
        _ port: Int,
        _ what: String,
        _ body: @escaping @Sendable (RawNATS) throws -> Void
    ) async throws {
        try await onOwnThread {
            try waitOnThread(what, seconds: 60) {
                do {
                    let client = try RawNATS(port: port, timeout: 2)
                    defer { client.close() }
                    try body(client)
                    return true
                } catch is RawNATSError {
                    return false
                }
            }
        }
    }

    @Test("Backups and lists say so, and do the others")
    func commands() async throws {
        try await withCluster { cluster in
            let rig = try Rig(on: cluster.nodes[0])
            defer { rig.folder.remove() }
            for (number, wanted) in [["*"], ["gone", "here"]].enumerated() {
                let archive = rig.folder.file("\(number).cistern")
                let backup = try await rig.cistern(["backup"] + wanted + ["--archive", archive], code: 69)
                #expect(backup.errorText.contains("bucket gone does not answer"))
                let kept = try await CisternProcess.run(["list", archive, "--json"])
                #expect(kept.outputText.contains(#""here""#) && !kept.outputText.contains(#""gone""#))
            }
            let list = try await rig.kvResult(["ls", "--names"], code: 69)
            #expect(list.outputText == "here\n")
            #expect(list.errorText.contains("bucket gone does not answer"))
        }
    }

    @Test("A daemon's job says so, and does the others")
    func jobs() async throws {
        try await withCluster { cluster in
            let daemon = try DaemonRig(
                clusters: #"  here: { servers: ["\#(cluster.nodes[0].url)"] }"#,
                jobs: #"  all: { backup: { from: here, buckets: ["*"], to: main }, retry: { attempts: 1 } }"#
            )
            defer { daemon.folder.remove() }
            let result = try await daemon.run(["run", "all", "--here"])
            #expect(result.code != 0)
            #expect((result.outputText + result.errorText).contains("bucket gone does not answer"), "\(result)")
            let kept = try await CisternProcess.run(["list", daemon.folder.file("main.cistern"), "--json"])
            #expect(kept.outputText.contains(#""here""#) && !kept.outputText.contains(#""gone""#))
        }
    }
}
