import Foundation
import TestSupport
import Testing

@Suite("Programs that tests start")
struct ChildProcessTests {
    @Test("Output of any length, exit code and directory arrive")
    func output() async throws {
        let folder = try TemporaryDirectory()
        let result = try await CisternProcess.run(
            ["-c", "pwd; head -c 1000000 /dev/zero; cat >&2; exit 7"],
            directory: folder.path,
            input: Array("said".utf8),
            binary: "/bin/sh"
        )
        #expect(result.code == 7)
        #expect(result.output.count == 1_000_000 + folder.path.utf8.count + 1)
        #expect(result.outputText.hasPrefix(folder.path))
        #expect(result.errorText == "said")
    }

    @Test("A killed program ends with the signal, and memory is its own")
    func killed() async throws {
        // Memory of the test itself must not be counted: it is what the child starts with.
        let ballast = [UInt8](repeating: 1, count: 200 << 20)
        let small = try await CisternProcess.run([], binary: "/bin/true")
        #expect(small.peakMemory < 20 << 20)
        #expect(ballast.count > small.peakMemory)

        let code = "import time; b = b'x' * (100 << 20); print('ready', flush=True); time.sleep(60)"
        let process = try CisternProcess.start(["python3", "-c", code], binary: "/usr/bin/env")
        try await eventually("its output") { process.outputText == "ready\n" }
        #expect(process.isRunning)
        process.kill()
        let result = try await process.waitForExit()
        #expect(result.code == 128 + 9)
        #expect(result.peakMemory > 100 << 20)
        #expect(result.peakMemory < 150 << 20)
    }

    @Test("A program that takes too long is killed and said")
    func timeout() async throws {
        await #expect(throws: TimeoutError.self) {
            try await CisternProcess.run(["60"], timeout: .milliseconds(50), binary: "/bin/sleep")
        }
    }
}
