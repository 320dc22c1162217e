import Foundation

// The fuzzers of everything that decodes bytes from outside.
//
// `scripts/fuzz` builds this target, which no other build knows, and runs it: one executable, whose environment says
// what to fuzz (CISTERN_FUZZ) and where to put sound inputs to start from (CISTERN_FUZZ_CORPUS).

/// What can be fuzzed.
protocol FuzzTarget: Sendable {
    /// Sound inputs.
    func corpus() throws -> [[UInt8]]
    /// Takes an input apart; throws only what no input may cause.
    func take(_ input: UnsafeRawBufferPointer) throws
}

/// Chooses what to fuzz, writes sound inputs and leaves the rest to libFuzzer.
@main
struct Fuzz {
    private static let targets: [String: any FuzzTarget] = [
        "segment": SegmentFuzz(), "snapshot": SnapshotFuzz(), "lines": LineFuzz(), "protocol": ProtocolFuzz(),
    ]

    private static let target: any FuzzTarget = {
        let name = ProcessInfo.processInfo.environment["CISTERN_FUZZ"] ?? ""
        guard let target = targets[name] else {
            stop("CISTERN_FUZZ must be one of \(targets.keys.sorted().joined(separator: ", "))")
        }
        return target
    }()

    static func main() {
        if let folder = ProcessInfo.processInfo.environment["CISTERN_FUZZ_CORPUS"] {
            do {
                for (index, input) in try target.corpus().enumerated() {
                    try Data(input).write(to: URL(fileURLWithPath: folder + "/sound-\(index)"))
                }
            } catch {
                stop("no sound inputs: \(error)")
            }
        }
        var count = CommandLine.argc
        var arguments = CommandLine.unsafeArgv
        exit(runDriver(&count, &arguments) { Fuzz.take(UnsafeRawBufferPointer(start: $0, count: $1)) })
    }

    private static func take(_ input: UnsafeRawBufferPointer) -> CInt {
        do {
            try target.take(input)
        } catch {
            stop("\(error)")
        }
        return 0
    }

    private static func stop(_ text: String) -> Never {
        FileHandle.standardError.write(Data("fuzz: \(text)\n".utf8))
        abort()
    }
}

/// libFuzzer's entry for programs with a `main` of their own.
@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
    _ count: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
    _ take: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt
