import AllocationCount
import Benchmark
import Foundation
import KVModel
import NATSProtocol
import Schedule

@testable import Archive

/// Measures `work` and how often it asks for memory.
private func measure(_ name: String, _ work: @escaping () throws -> Void) {
    let allocations = BenchmarkMetric.custom("Allocations", polarity: .prefersSmaller, useScalingFactor: false)
    var configuration = Benchmark.Configuration(
        metrics: [.instructions, .wallClock, .throughput, allocations],
        warmupIterations: 3,
        maxDuration: .seconds(2),
        maxIterations: 200
    )
    // A machine without counters of instructions reads 0.
    if ProcessInfo.processInfo.environment["CISTERN_COUNTS_INSTRUCTIONS"] == "0" {
        configuration.metrics.removeFirst()
    }
    Benchmark(name, configuration: configuration) { benchmark in
        let before = allocation_count()
        benchmark.startMeasurement()
        try work()
        benchmark.stopMeasurement()
        benchmark.measurement(allocations, Int(allocation_count() - before))
    }
}

let benchmarks: @Sendable () -> Void = {
    measure("Frames of \(Samples.entries) messages") {
        var parser = FrameParser()
        var elements: [FrameParser.Element] = []
        for read in Samples.wire {
            try parser.parse(read, into: &elements)
            elements.removeAll(keepingCapacity: true)
        }
    }
    measure("Columns of \(Samples.entries) entries") { blackHole(try Samples.builder()) }
    let full = Result { try Samples.builder() }
    let packed = Result { try full.get().encode() }
    measure("Segment of \(Samples.entries) entries, encoded") { blackHole(try full.get().encode()) }
    measure("Segment of \(Samples.entries) entries, decoded with its values") {
        let encoded = try packed.get()
        let segment = try DecodedSegment(body: Data(encoded.body))
        for block in segment.valueBlocks {
            try encoded.values.withUnsafeBytes { values in
                blackHole(try block.unpack(UnsafeRawBufferPointer(rebasing: values[block.stored])))
            }
        }
    }
    let mapping = Result { try KeyMapping([KeyMapping.Rule("user.*.profile=profiles.{{wildcard(1)}}")]) }
    measure("Mapping of \(Samples.entries) keys") {
        let mapping = try mapping.get()
        var output: [UInt8] = []
        for entry in Samples.bucket {
            output.removeAll(keepingCapacity: true)
            entry.key.bytes.withUnsafeBytes { mapping.append($0, to: &output) }
        }
        blackHole(output)
    }
    let cron = Result { try CronExpression("30 2 * * 1-5") }
    measure("Cron, 1,000 due times in Berlin") {
        let cron = try cron.get()
        let zone = TimeZone(identifier: "Europe/Berlin") ?? .gmt
        var time: Int64 = 1_790_000_000
        for _ in 0..<1000 { time = cron.next(after: time, in: zone) ?? time }
        blackHole(time)
    }
}
