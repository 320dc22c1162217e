// swift-tools-version: 6.2
import PackageDescription

/// Settings every target of ours is built with: Swift 6 mode, explicit existentials and imports, no warnings.
let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .treatAllWarnings(as: .error),
]

let nioCore: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nioHTTP1: Target.Dependency = .product(name: "NIOHTTP1", package: "swift-nio")
let nioPosix: Target.Dependency = .product(name: "NIOPosix", package: "swift-nio")
let nioSSL: Target.Dependency = .product(name: "NIOSSL", package: "swift-nio-ssl")
let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let cryptoExtras: Target.Dependency = .product(name: "CryptoExtras", package: "swift-crypto")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let grdb: Target.Dependency = .product(name: "GRDB", package: "GRDB.swift")
let sqlite: Target.Dependency = .product(name: "GRDBSQLite", package: "GRDB.swift")
let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let lifecycle: Target.Dependency = .product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let yams: Target.Dependency = .product(name: "Yams", package: "Yams")
let hummingbird: Target.Dependency = .product(name: "Hummingbird", package: "hummingbird")
let hummingbirdTLS: Target.Dependency = .product(name: "HummingbirdTLS", package: "hummingbird")
let httpClient: Target.Dependency = .product(name: "AsyncHTTPClient", package: "async-http-client")

let package = Package(
    name: "cistern",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "cistern", targets: ["cistern"]),
        .library(name: "KVModel", targets: ["KVModel"]),
        .library(name: "NATSProtocol", targets: ["NATSProtocol"]),
        .library(name: "NATSClient", targets: ["NATSClient"]),
        .library(name: "JetStream", targets: ["JetStream"]),
        .library(name: "KeyValue", targets: ["KeyValue"]),
        .library(name: "Archive", targets: ["Archive"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.2"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(
            url: "https://github.com/hummingbird-project/hummingbird",
            from: "2.28.1",
            traits: ["FullFoundation"]
        ),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/swiftlang/swift-docc-plugin", from: "1.5.0"),
    ],
    targets: [
        .systemLibrary(
            name: "CZstd",
            pkgConfig: "libzstd",
            providers: [.apt(["libzstd-dev"]), .brew(["zstd"])]
        ),
        .systemLibrary(name: "CMalloc"),
        .target(name: "CChecksum"),
        .target(name: "KVModel", swiftSettings: strict),
        .target(name: "StreamSnapshot", dependencies: ["KVModel", "CChecksum"], swiftSettings: strict),
        .target(name: "Schedule", swiftSettings: strict),
        .target(name: "NATSProtocol", dependencies: [nioCore], swiftSettings: strict),
        .target(
            name: "NATSClient",
            dependencies: [
                "NATSProtocol", nioCore, nioHTTP1, nioPosix, nioSSL, crypto, logging,
                .product(name: "NIOSOCKS", package: "swift-nio-extras"),
            ],
            swiftSettings: strict
        ),
        .target(
            name: "JetStream",
            dependencies: ["NATSClient", "NATSProtocol", "KVModel", nioCore],
            swiftSettings: strict
        ),
        .target(
            name: "KeyValue",
            dependencies: ["JetStream", "NATSClient", "NATSProtocol", "KVModel", nioCore],
            swiftSettings: strict
        ),
        .target(
            name: "Archive",
            dependencies: ["KVModel", "Schedule", "CZstd", grdb, sqlite, crypto, cryptoExtras],
            swiftSettings: strict
        ),
        .target(
            name: "Replication",
            dependencies: [
                "KeyValue", "JetStream", "NATSClient", "Archive", "StreamSnapshot", "KVModel", crypto, logging,
            ],
            swiftSettings: strict
        ),
        .target(
            name: "Daemon",
            dependencies: [
                "Replication", "KeyValue", "JetStream", "NATSClient", "Archive", "Schedule", "KVModel",
                yams, hummingbird, hummingbirdTLS, httpClient, lifecycle, grdb, logging, crypto, nioCore, nioPosix,
                nioSSL, nioHTTP1,
            ],
            swiftSettings: strict
        ),
        .target(
            name: "Commands",
            dependencies: [
                "Daemon", "CMalloc",
                "Replication", "KeyValue", "JetStream", "NATSClient", "NATSProtocol", "Archive", "KVModel",
                "Schedule", argumentParser, logging, lifecycle,
            ],
            swiftSettings: strict
        ),
        .executableTarget(name: "cistern", dependencies: ["Commands"], swiftSettings: strict),
        .target(name: "TestSupport", path: "Tests/TestSupport", swiftSettings: strict),
        .testTarget(name: "TestSupportTests", dependencies: ["TestSupport"], swiftSettings: strict),
        .testTarget(name: "KVModelTests", dependencies: ["KVModel"], swiftSettings: strict),
        .testTarget(
            name: "StreamSnapshotTests",
            dependencies: ["StreamSnapshot", "KVModel", "TestSupport"],
            swiftSettings: strict
        ),
        .testTarget(name: "ScheduleTests", dependencies: ["Schedule"], swiftSettings: strict),
        .testTarget(name: "NATSProtocolTests", dependencies: ["NATSProtocol", nioCore], swiftSettings: strict),
        .testTarget(
            name: "NATSClientTests",
            dependencies: ["NATSClient", "NATSProtocol", "TestSupport", nioCore, crypto, logging],
            swiftSettings: strict
        ),
        .testTarget(
            name: "JetStreamTests",
            dependencies: ["JetStream", "NATSClient", "NATSProtocol", "KVModel", "TestSupport", nioCore, logging],
            swiftSettings: strict
        ),
        .testTarget(
            name: "KeyValueTests",
            dependencies: ["KeyValue", "JetStream", "NATSClient", "NATSProtocol", "KVModel", "TestSupport", logging],
            swiftSettings: strict
        ),
        .testTarget(
            name: "ExamplesTests",
            dependencies: ["KeyValue", "JetStream", "NATSClient", "KVModel", "TestSupport", logging],
            swiftSettings: strict
        ),
        .testTarget(
            name: "InteropTests",
            dependencies: ["KeyValue", "JetStream", "NATSClient", "KVModel", "TestSupport", logging],
            exclude: ["interop.py"],
            swiftSettings: strict
        ),
        .testTarget(
            name: "ArchiveTests",
            dependencies: ["Archive", "KVModel", "Schedule", grdb, crypto],
            swiftSettings: strict
        ),
        .testTarget(
            name: "ReplicationTests",
            dependencies: [
                "Replication", "KeyValue", "JetStream", "NATSClient", "NATSProtocol", "Archive", "KVModel",
                "StreamSnapshot", "TestSupport",
                logging,
            ],
            swiftSettings: strict
        ),
        .testTarget(
            name: "DaemonTests",
            dependencies: [
                "Daemon", "TestSupport", "Replication", "KeyValue", "JetStream", "NATSClient", "NATSProtocol",
                "Archive", "Schedule", "KVModel", yams, hummingbird, httpClient, lifecycle, grdb, logging, nioCore,
            ],
            swiftSettings: strict
        ),
        .testTarget(
            name: "CommandsTests",
            dependencies: [
                "Commands", "cistern", "TestSupport", "Replication", "KeyValue", "JetStream", "NATSClient",
                "NATSProtocol", "Archive", "KVModel", argumentParser, logging,
            ],
            swiftSettings: strict
        ),
        .testTarget(name: "EndToEndTests", dependencies: ["cistern", "Archive", "TestSupport"], swiftSettings: strict),
    ],
    swiftLanguageModes: [.v6]
)

// `scripts/fuzz` alone builds the fuzzers, in a folder of its own: what they fuzz is
// compiled with its instruments, optimised, and with the checks of a debug build.
if Context.environment["CISTERN_FUZZ_BUILD"] != nil {
    let instruments = ["-sanitize=fuzzer,address", "-enable-testing", "-assert-config", "Debug"]
    let fuzzed = ["KVModel", "Archive", "StreamSnapshot", "NATSProtocol", "NATSClient", "JetStream"]
    package.products = []
    package.targets.removeAll { $0.isTest || ["Daemon", "Commands", "cistern"].contains($0.name) }
    for target in package.targets where fuzzed.contains(target.name) {
        target.swiftSettings = strict + [.unsafeFlags(instruments)]
    }
    package.targets.append(
        .executableTarget(
            name: "Fuzz",
            dependencies: [
                "Archive", "StreamSnapshot", "KVModel", "Schedule", "NATSProtocol", "NATSClient", "JetStream",
                "TestSupport", nioCore,
            ],
            path: "Tests/Fuzz",
            exclude: ["Transcripts"],
            swiftSettings: strict + [.unsafeFlags(instruments)],
            linkerSettings: [.unsafeFlags(["-sanitize=fuzzer,address", "-use-ld=lld"])]
        )
    )
}

// `scripts/bench micro` alone builds the micro-benchmarks, in a folder of its own.
if Context.environment["CISTERN_BENCHMARK_BUILD"] != nil {
    let opened = strict + [.unsafeFlags(["-enable-testing"])]
    package.products = []
    package.dependencies.append(.package(url: "https://github.com/ordo-one/benchmark", from: "1.38.1", traits: []))
    package.targets.removeAll { $0.isTest || ["Daemon", "Commands", "cistern"].contains($0.name) }
    for target in package.targets where target.name == "Archive" { target.swiftSettings = opened }
    package.targets += [
        .target(name: "AllocationCount", path: "Tests/Benchmarks/AllocationCount"),
        .executableTarget(
            name: "Pure",
            dependencies: [
                "AllocationCount", "Archive", "KVModel", "NATSProtocol", "Schedule", nioCore,
                .product(name: "Benchmark", package: "benchmark"),
            ],
            path: "Tests/Benchmarks/Pure",
            swiftSettings: strict,
            plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")]
        ),
    ]
}
