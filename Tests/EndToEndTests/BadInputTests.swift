import Foundation
import TestSupport
import Testing

@Suite("Servers that refuse", .serialized)
struct RefusalTests {
    private func backup(_ arguments: [String], bucket: String = "src") async throws -> CisternProcess.Result {
        let folder = try TemporaryDirectory("refused")
        defer { folder.remove() }
        return try await CisternProcess.run(
            ["backup", bucket, "--archive", folder.file("a.cistern")] + arguments,
            timeout: .seconds(60)
        )
    }

    private func expect(
        _ result: CisternProcess.Result,
        code: Int32,
        says words: [String],
        _ location: SourceLocation = #_sourceLocation
    ) {
        #expect(result.code == code, "\(result)", sourceLocation: location)
        for word in words {
            #expect(
                result.errorText.lowercased().contains(word),
                "no \"\(word)\" in \(result)",
                sourceLocation: location
            )
        }
        #expect(!result.errorText.contains("Fatal"), "\(result)", sourceLocation: location)
    }

    @Test("No server")
    func noServer() async throws {
        let port = try TCPPort.unused()
        let result = try await backup(["-s", "nats://127.0.0.1:\(port)"])
        expect(result, code: 69, says: ["127.0.0.1:\(port)", "nothing listens", "hint"])
    }

    @Test("Wrong credentials, and none", arguments: ServerBinary.all)
    func wrongCredentials(binary: ServerBinary) async throws {
        let options = ServerProcess.Options(configuration: #"authorization { user: "u", password: "right" }"#)
        let server = try await ServerProcess.start(binary, options: options)
        defer { server.close() }
        let wrong = try await backup(["-s", server.url, "--user", "u", "--password", "wrong-secret"])
        expect(wrong, code: 69, says: ["credentials", "hint"])
        #expect(!wrong.errorText.contains("wrong-secret"))
        expect(try await backup(["-s", server.url]), code: 69, says: ["credentials"])
    }

    @Test("No JetStream", arguments: ServerBinary.all)
    func noJetStream(binary: ServerBinary) async throws {
        let server = try await ServerProcess.start(binary, options: .init(jetStream: false))
        defer { server.close() }
        expect(try await backup(["-s", server.url]), code: 69, says: ["jetstream", "hint"])
    }

    @Test("An unknown bucket", arguments: ServerBinary.all)
    func unknownBucket(binary: ServerBinary) async throws {
        let server = try await ServerProcess.start(binary)
        defer { server.close() }
        expect(try await backup(["-s", server.url], bucket: "nowhere"), code: 1, says: ["nowhere", "no bucket"])
    }

    @Test("A missing permission")
    func missingPermission() async throws {
        let users = #"""
            authorization { users: [
              { user: "all", password: "p" }
              { user: "few", password: "p", permissions: { publish: { deny: "$JS.API.>" } } }
            ] }
            """#
        let server = try await ServerProcess.start(options: .init(configuration: users))
        defer { server.close() }
        try await server.withClient(user: "all", password: "p") { try $0.createBucket("src") }
        let result = try await backup(["-s", server.url, "--user", "few", "--password", "p"])
        expect(result, code: 69, says: ["permission", "$js.api"])
    }

    @Test("TLS that does not fit")
    func tlsMismatch() async throws {
        let server = try await ServerProcess.start()
        defer { server.close() }
        let wanted = try await backup(["-s", "tls://127.0.0.1:\(server.port)"])
        expect(wanted, code: 69, says: ["tls"])
    }
}

@Suite("Archives that are no archives", .serialized)
struct BadArchiveTests {
    private func makeArchive(_ rig: Rig, entries: Int = 300) async throws {
        try await rig.createBucket("src")
        try await rig.fill("src", count: entries, keys: 100, size: 200)
        try await rig.backup("src")
    }

    private func expect(
        _ arguments: [String],
        code: Int32,
        says words: [String],
        _ location: SourceLocation = #_sourceLocation
    ) async throws {
        let result = try await CisternProcess.run(arguments, timeout: .seconds(60))
        #expect(result.code == code, "\(arguments): \(result)", sourceLocation: location)
        let text = (result.errorText + result.outputText).lowercased()
        for word in words { #expect(text.contains(word), "no \"\(word)\" in \(result)", sourceLocation: location) }
    }

    @Test("Not an archive, not there, a folder")
    func notAnArchive() async throws {
        let folder = try TemporaryDirectory("bad")
        defer { folder.remove() }
        let text = folder.file("text.cistern")
        try Data(repeating: 0x41, count: 10_000).write(to: URL(fileURLWithPath: text))
        try await expect(["list", text], code: 1, says: ["not a", "archive"])
        try await expect(["verify", text], code: 1, says: ["not a", "archive"])
        try await expect(["list", folder.file("absent.cistern")], code: 1, says: ["absent.cistern"])
        try await expect(["list", folder.path], code: 1, says: [])
        try Data().write(to: URL(fileURLWithPath: folder.file("empty.cistern")))
        try await expect(["list", folder.file("empty.cistern")], code: 1, says: ["archive"])
    }

    @Test("A backup that was killed while it made its archive is run again", arguments: [false, true])
    func unfinishedArchive(hasHeader: Bool) async throws {
        let rig = try await Rig()
        defer { rig.close() }
        try await rig.createBucket("src")
        try await rig.fill("src", count: 10, keys: 10, size: 10)
        try Data().write(to: URL(fileURLWithPath: rig.archive))
        if hasHeader {
            // What SQLite writes before the first table.
            let code = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('PRAGMA journal_mode = WAL')"
            #expect(try await ChildProcess.run("/usr/bin/env", ["python3", "-c", code, rig.archive]) == 0)
        }
        try await rig.backup("src")
        try await rig.restore(as: "copy")
        try await rig.expectEqual("src", "copy")
    }

    @Test("A newer format is refused, and so is writing into it")
    func newerFormat() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        try await makeArchive(rig)
        // The format's version stands at offset 60 of a SQLite file (user_version).
        let file = try FileHandle(forUpdating: URL(fileURLWithPath: rig.archive))
        try file.seek(toOffset: 60)
        try file.write(contentsOf: Data([0, 0, 0, 99]))
        try file.close()
        try await expect(["list", rig.archive], code: 1, says: ["newer"])
        try await rig.cistern(["backup", "src", "--archive", rig.archive], code: 1)
    }

    @Test("A truncated archive is an error, never a crash", arguments: [0.05, 0.3, 0.5, 0.9, 0.99])
    func truncated(part: Double) async throws {
        let rig = try await Rig()
        defer { rig.close() }
        try await makeArchive(rig, entries: 5000)
        let url = URL(fileURLWithPath: rig.archive)
        let whole = try Data(contentsOf: url)
        try whole.prefix(Int(Double(whole.count) * part)).write(to: url)
        try await expect(["verify", rig.archive], code: 1, says: [])
        try await rig.cistern(["restore", rig.archive, "--as", "copy"], code: 1)
    }

    @Test("A flipped byte in a segment is found and named")
    func flippedByte() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        try await makeArchive(rig, entries: 5000)
        let url = URL(fileURLWithPath: rig.archive)
        var bytes = try Data(contentsOf: url)
        // The bodies fill the file's greater part: its middle lies in one of them.
        bytes[bytes.count / 2] ^= 0x20
        try bytes.write(to: url)
        try await expect(["verify", rig.archive], code: 1, says: ["segment", "revision"])
    }

    @Test("An archive that another run holds")
    func locked() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        try await makeArchive(rig)
        let holder = try CisternProcess.start([
            "backup", "src", "--archive", rig.archive, "--follow", "-s", rig.server.url,
        ])
        let pid = holder.pid
        try await eventually("the other run to hold the archive") {
            // The file is there only while somebody holds the archive.
            guard let holder = FileManager.default.contents(atPath: rig.archive + ".lock") else { return false }
            return String(decoding: holder, as: UTF8.self).contains("process \(pid) ")
        }
        let refused = try await rig.cistern(["backup", "src", "--archive", rig.archive], code: 75)
        #expect(refused.errorText.contains("\(holder.pid)") && refused.errorText.contains("hint"), "\(refused)")
        // Readers go on meanwhile.
        try await expect(["list", rig.archive], code: 0, says: ["src"])
        holder.kill()
        _ = try await holder.waitForExit()
        try await rig.backup("src")
    }

    @Test("A full disk leaves the archive at its last checkpoint")
    func fullDisk() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        let disk = rig.folder.file("disk")
        try FileManager.default.createDirectory(atPath: disk, withIntermediateDirectories: false)
        let mount = try ChildProcess(.shell("mount -t tmpfs -o size=6m tmpfs '\(disk)'"))
        guard await mount.waitForExit().code == 0 else {
            // Only root may mount; everywhere else there is no small disk to fill.
            return
        }
        try await rig.createBucket("src", history: 1)
        try await rig.fill("src", count: 1000, keys: 1000, size: 1000)
        let archive = disk + "/a.cistern"
        try await rig.cistern(["backup", "src", "--archive", archive])
        try await rig.fill("src", count: 20_000, keys: 20_000, size: 1000, seed: 2)
        let full = try await rig.cistern(["backup", "src", "--archive", archive], code: 1)
        #expect(full.errorText.contains("full") || full.errorText.contains("space"), "\(full)")
        try await rig.cistern(["verify", archive])
        let unmounting = try ChildProcess(.shell("mount -o remount,size=100m '\(disk)'"))
        #expect(await unmounting.waitForExit().code == 0)
        let report = try Report(try await rig.cistern(["backup", "src", "--archive", archive, "--json"]))
        #expect(try report.number("consistent_revision") == 21_000)
        try await rig.cistern(["verify", archive, "--against", "src"])
        _ = await (try ChildProcess(.shell("umount '\(disk)'"))).waitForExit()
    }

    @Test("A full disk stops a prune or a merge with exit code 1, and takes nothing", arguments: ["prune", "compact"])
    func fullDiskInCare(command: String) async throws {
        let rig = try await Rig()
        defer { rig.close() }
        try await rig.createBucket("src", history: 8)
        for round in 0..<6 {
            try await rig.fill("src", count: 600, keys: 900, size: 1500, seed: UInt64(round))
            try await rig.backup("src")
        }
        let disk = rig.folder.file("disk")
        try FileManager.default.createDirectory(atPath: disk, withIntermediateDirectories: false)
        // Room for the archive and little more: what replaces segments does not fit into the log.
        let size = try FileManager.default.attributesOfItem(atPath: rig.archive)[.size] as? Int ?? 0
        let mount = try ChildProcess(.shell("mount -t tmpfs -o size=\(size + 160_000) tmpfs '\(disk)'"))
        // Only root may mount; everywhere else there is no small disk to fill.
        guard await mount.waitForExit().code == 0 else { return }
        let archive = disk + "/a.cistern"
        try FileManager.default.copyItem(atPath: rig.archive, toPath: archive)
        let expected = try await CisternProcess.run(["keys", archive, "--long"]).outputText
        let arguments = [command, archive] + (command == "prune" ? ["--keep-last", "2", "--yes"] : [])
        let full = try await CisternProcess.run(arguments)
        #expect(full.code == 1 && full.errorText.contains("full"), "\(full)")
        #expect(full.errorText.contains("hint: make room and run again"), "\(full)")
        try await rig.cistern(["verify", archive, "--against", "src"])
        #expect(try await CisternProcess.run(["keys", archive, "--long"]).outputText == expected)
        let remounting = try ChildProcess(.shell("mount -o remount,size=100m '\(disk)'"))
        #expect(await remounting.waitForExit().code == 0)
        let again = try await CisternProcess.run(arguments)
        #expect(again.code == 0, "\(again)")
        try await rig.cistern(["verify", archive, "--against", "src"])
        #expect(try await CisternProcess.run(["keys", archive, "--long"]).outputText == expected)
        let after = try FileManager.default.attributesOfItem(atPath: archive)[.size] as? Int ?? 0
        #expect(after < size, "\(size) bytes became \(after)")
        _ = await (try ChildProcess(.shell("umount '\(disk)'"))).waitForExit()
    }
}

enum TCPPort {
    /// A port that nobody listens on.
    static func unused() throws -> Int {
        let socket = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(socket) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(socket, $0, size) == 0 && getsockname(socket, $0, &size) == 0
            }
        }
        try #require(bound)
        return Int(UInt16(bigEndian: address.sin_port))
    }
}

extension ChildProcess.Plan {
    static func shell(_ command: String) -> Self {
        var plan = Self(program: "/bin/sh")
        plan.arguments = ["-c", command]
        return plan
    }
}
