import Foundation
import TestSupport
import Testing

/// A target or a disk that takes nothing for a while: what is read meanwhile must wait where it comes from.
@Suite("Stalls", .serialized)
struct StallTests {
    private static let entries = 120_000
    private static let size = 1600
    /// The bucket holds 180 MiB: a process that went on reading would have most of them, beside what it has anyway.
    private static let limit = 150 << 20
    private static let length = Duration.seconds(isLongRun ? 60 : 5)

    private static func fill(_ server: ServerProcess) async throws {
        try await server.withClient { client in
            try client.createBucket("src", history: 5)
            try client.fill("src", count: entries, keys: entries / 2, size: size, seed: 4)
        }
    }

    /// Has a server stand still while a bucket is written into it.
    private static func stall(_ server: ServerProcess, in bucket: String) async throws {
        try await eventually("the bucket to be written") {
            let info = try? await server.withClient { try $0.streamInfo("KV_" + bucket) }
            return info?.messages ?? 0 > 10_000
        }
        server.pause()
        try await Task.sleep(for: length)
        server.resume()
    }

    private static func expectBounded(_ process: CisternProcess) async throws {
        let ended = try await process.waitForExit(timeout: .seconds(300))
        #expect(ended.code == 0, "\(ended)")
        #expect(ended.peakMemory < limit, "\(ended.peakMemory >> 20) MiB")
    }

    @Test("A mirror whose target stands still does not grow, and is whole in the end")
    func mirror() async throws {
        let rig = try await MirrorRig()
        defer { rig.close() }
        try await Self.fill(rig.source)
        let process = try CisternProcess.start(rig.arguments(["--once"]))
        try await Self.stall(rig.target, in: "dst")
        try await Self.expectBounded(process)
        let (source, target) = (try await rig.messages(rig.source, "src"), try await rig.messages(rig.target, "dst"))
        #expect(source.map { $0.key(in: "src") } == target.map { $0.key(in: "dst") })
        #expect(source.map(\.data) == target.map(\.data))
    }

    @Test("A replay whose target stands still does not grow, and is whole in the end")
    func replay() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        try await Self.fill(rig.server)
        try await rig.backup("src")
        let arguments = ["restore", rig.archive, "--as", "copy", "--mode", "replay", "-s", rig.server.url]
        let process = try CisternProcess.start(arguments)
        try await Self.stall(rig.server, in: "copy")
        try await Self.expectBounded(process)
        try await rig.expectEqual("src", "copy", history: 5)
    }

    /// Holds up every write of a process while there is a file, and says so with another one.
    private static let stalledWrites = """
        #define _GNU_SOURCE
        #include <dlfcn.h>
        #include <fcntl.h>
        #include <stdio.h>
        #include <stdlib.h>
        #include <unistd.h>

        static void wait_for_disk(void) {
            const char *stall = getenv("STALL_FILE");
            if (!stall || access(stall, F_OK) != 0) return;
            char stalled[4096];
            snprintf(stalled, sizeof stalled, "%s.stalled", stall);
            int file = open(stalled, O_CREAT | O_WRONLY, 0600);
            if (file >= 0) close(file);
            while (access(stall, F_OK) == 0) usleep(5000);
        }

        #define STALLED(name, result, parameters, arguments)                      \\
            result name parameters {                                              \\
                static result(*real) parameters;                                  \\
                if (!real) real = (result(*) parameters)dlsym(RTLD_NEXT, #name);  \\
                wait_for_disk();                                                  \\
                return real arguments;                                            \\
            }

        STALLED(pwrite, ssize_t, (int file, const void *bytes, size_t count, off_t at), (file, bytes, count, at))
        STALLED(pwrite64, ssize_t, (int file, const void *bytes, size_t count, off64_t at), (file, bytes, count, at))
        STALLED(fsync, int, (int file), (file))
        STALLED(fdatasync, int, (int file), (file))

        """

    @Test("A capture whose disk stands still does not grow, and is whole in the end")
    func disk() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        try await Self.fill(rig.server)
        let (source, library) = (rig.folder.file("stall.c"), rig.folder.file("stall.so"))
        try Self.stalledWrites.write(toFile: source, atomically: true, encoding: .utf8)
        var compiler = ChildProcess.Plan(program: "/usr/bin/env")
        compiler.arguments = ["clang", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"]
        #expect(await (try ChildProcess(compiler)).waitForExit().code == 0)
        let stall = rig.folder.file("stall")
        let process = try CisternProcess.start(
            ["backup", "src", "--archive", rig.archive, "-s", rig.server.url],
            environment: ["LD_PRELOAD": library, "STALL_FILE": stall]
        )
        let log = rig.archive + "-wal"
        try await eventually("the capture to write") {
            let size = try? FileManager.default.attributesOfItem(atPath: log)[.size] as? Int
            return size ?? 0 > 4 << 20
        }
        try Data().write(to: URL(fileURLWithPath: stall))
        try await eventually("a write to be held up") { FileManager.default.fileExists(atPath: stall + ".stalled") }
        try await Task.sleep(for: Self.length)
        #expect(process.isRunning)
        try FileManager.default.removeItem(atPath: stall)
        try await Self.expectBounded(process)
        try await rig.restore(as: "copy", ["--mode", "exact"])
        try await rig.expectEqual("src", "copy", history: 5, mode: .exact)
    }
}
