import Foundation
import TestSupport
import Testing

@Suite("kv: questions on a terminal")
struct KVTerminalTests {
    @Test("Nothing is deleted before the answer is yes")
    func deleting() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        try await rig.kv(["add", "b", "--history", "5"])
        try await rig.kv(["put", "b", "k", "v"])
        let question = "Delete key b > k? [y/N]"
        let no = try await rig.kvTerminal(["del", "b", "k"], code: 1, answers: [.init(after: question, "n")])
        #expect(no.contains("key k was not deleted"))
        #expect(try await rig.kv(["get", "b", "k", "--raw"]) == "v")
        _ = try await rig.kvTerminal(["rm", "b", "k"], answers: [.init(after: question, "y")])
        #expect(try await rig.messages("b").count == 2)

        let purging = "Purge key b > k and its history? [y/N]"
        _ = try await rig.kvTerminal(["purge", "b", "k"], code: 1, answers: [.init(after: purging, "")])
        #expect(try await rig.messages("b").count == 2)
        _ = try await rig.kvTerminal(["purge", "b", "k"], answers: [.init(after: purging, "yes")])
        #expect(try await rig.messages("b").count == 1)

        let compacting = "Purge all historic values and audit trails for deleted keys in bucket b? [y/N]"
        let all = ["compact", "b", "--older-than", "0"]
        let kept = try await rig.kvTerminal(all, code: 1, answers: [.init(after: compacting, "no")])
        #expect(kept.contains("bucket b was not compacted"))
        let compacted = try await rig.kvTerminal(all, answers: [.init(after: compacting, "y")])
        #expect(compacted.contains("b: 1 entry of 1 deleted key removed"))

        let bucket = "Delete bucket b with all it holds (0 entries, 0 B)? [y/N]"
        _ = try await rig.kvTerminal(["del", "b"], code: 1, answers: [.init(after: bucket, "n")])
        _ = try await rig.kvTerminal(["rm", "b"], answers: [.init(after: bucket, "y")])
        #expect(try await rig.kv(["ls", "--names"]).isEmpty)
    }

    @Test("Before a revert the value is shown, after it the history")
    func reverting() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        try await rig.kv(["add", "b", "--history", "5"])
        try await rig.kv(["put", "b", "k", "first value"])
        try await rig.kv(["put", "b", "k", "second"])
        let question = "Revert key b > k to revision 1? [y/N]"
        let no = try await rig.kvTerminal(["revert", "b", "k", "1"], code: 1, answers: [.init(after: question, "n")])
        #expect(no.contains("Revision: 1\nfirst value\n") && no.contains("key k was not reverted"))
        #expect(try await rig.lastSequence("b") == 2)
        let yes = try await rig.kvTerminal(["revert", "b", "k", "1"], answers: [.init(after: question, "y")])
        #expect(yes.contains("History for b > k\n\nKEY"))
        #expect(try await rig.kv(["get", "b", "k", "--raw"]) == "first value")
        let forced = try await rig.kvTerminal(["revert", "b", "k", "2", "--force"])
        #expect(!forced.contains("[y/N]"))
    }

    @Test("Without a name a bucket is chosen by number or name")
    func choosing() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        let none = try await rig.kvTerminal(["info"], code: 1)
        #expect(none.contains("this account has no buckets"))
        for name in ["alpha", "beta"] { try await rig.kv(["add", name]) }
        let question = "Which bucket? Its number or its name:"
        for (answer, name) in [("2", "beta"), ("alpha", "alpha")] {
            let shown = try await rig.kvTerminal(["info"], answers: [.init(after: question, answer)])
            #expect(shown.contains("1  alpha\n2  beta\n"))
            #expect(shown.contains("Information for Key-Value bucket \(name)\n"))
        }
        let mistyped = try await rig.kvTerminal(["status"], code: 1, answers: [.init(after: question, "alhpa")])
        #expect(mistyped.contains("did you mean alpha?"))
    }

    @Test("A terminal is shown the beginning of a long value, and told how to see the rest")
    func cutting() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        try await rig.kv(["add", "b"])
        let long = String(repeating: "0123456789", count: 30)
        try await rig.kv(["put", "b", "k", long])
        let shown = try await rig.kvTerminal(["get", "b", "k"])
        #expect(shown.contains("Showing the first 120 bytes of 300; --raw writes all of it."))
        #expect(shown.contains(long.prefix(120) + "\n") && !shown.contains(long.prefix(121)))
        #expect(try await rig.kvTerminal(["get", "b", "k", "--raw"]) == long)
        let typed = try await rig.kvTerminal(["put", "b", "k"], code: 64)
        #expect(typed.contains("no value is given"))
    }
}
