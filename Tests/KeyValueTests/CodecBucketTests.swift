import KVModel
import KeyValue
import TestSupport
import Testing

/// ADR-54 on real servers: codecs in every call of a bucket.
@Suite("Codecs of buckets")
struct CodecBucketTests {
    @Test("54.104 codecs turn keys and values of every call", arguments: ServerBinary.all)
    func everyCall(binary: ServerBinary) async throws {
        try await ManagementRig.run(binary) { rig in
            let raw = KeyValueBucket(try await rig.create { $0.history = 5 })
            let chain = try KeyCodecChain([PathKeyCodec(), Base64KeyCodec()])
            let codecs = BucketCodecs(key: chain, value: Base64ValueCodec())
            let bucket = try await rig.buckets.open(rig.name, codecs: codecs)
            let (key, stored): (Key, Key) = ("/Acme Inc/contact", "X3Jvb3Rf.QWNtZSBJbmM.Y29udGFjdA")

            let first = try await bucket.create(key, "info@acme.com")
            #expect(try await raw.get(stored)?.string == "aW5mb0BhY21lLmNvbQ")
            let entry = try #require(try await bucket.get(key))
            #expect(entry.key == key && entry.storedKey == stored && entry.string == "info@acme.com")
            let second = try await bucket.update(key, "two", expecting: first)
            #expect(try await bucket.get(key, at: first)?.string == "info@acme.com")
            try await bucket.delete(key, expecting: second)
            #expect(try await bucket.get(key) == nil)
            #expect(try await bucket.latest(key)?.key == key)
            try await bucket.revert(key, to: first)
            #expect(try await bucket.get(key)?.string == "info@acme.com")
            #expect(try await bucket.history(of: key).map(\.string) == ["info@acme.com", "two", "", "info@acme.com"])
            try await bucket.put("/Other Inc/x", "x")

            var keys: [Key] = []
            for try await key in bucket.keys(matching: [try KeyPattern(encodable: "/Acme Inc/*")]) { keys.append(key) }
            #expect(keys == [key])
            var seen: [String] = []
            for try await event in bucket.watch([try KeyPattern(encodable: "/*/contact")]) {
                if case .entry(let entry) = event { seen.append("\(entry.key)=\(entry.string ?? "")") }
                if case .endOfInitialData = event { break }
            }
            #expect(seen == ["/Acme Inc/contact=info@acme.com"])
            try await bucket.purge(key)
            #expect(try await raw.history(of: stored).map(\.operation) == [.purge])
        }
    }

    @Test("54.103 a codec of values alone leaves keys as they are, and one of keys values", arguments: ServerBinary.all)
    func chosenAlone(binary: ServerBinary) async throws {
        try await ManagementRig.run(binary) { rig in
            let raw = KeyValueBucket(try await rig.create())
            let values = try await rig.buckets.open(rig.name, codecs: BucketCodecs(value: Base64ValueCodec()))
            try await values.put("a.b", "foo")
            #expect(try await raw.get("a.b")?.string == "Zm9v")
            let keys = try await rig.buckets.open(rig.name, codecs: BucketCodecs(key: PathKeyCodec()))
            try await keys.put("a/b", "foo")
            #expect(try await raw.get("a.b")?.string == "foo")
        }
    }

    @Test(
        "54.111 what cannot be decoded is said with key and revision, and a watch goes on",
        arguments: ServerBinary.all
    )
    func undecodable(binary: ServerBinary) async throws {
        try await ManagementRig.run(binary) { rig in
            let raw = KeyValueBucket(try await rig.create())
            let codecs = BucketCodecs(key: Base64KeyCodec(), value: Base64ValueCodec())
            let bucket = try await rig.buckets.open(rig.name, codecs: codecs)
            try await bucket.put("a", "1")
            let badKey = try await raw.put("not-encoded-", "x")
            let badValue = try await raw.put(Key("Yg"), "=x=")
            try await bucket.put("c", "3")
            await #expect {
                try await bucket.get("b")
            } throws: { error in
                let error = error as? KeyValueError
                return error?.code == .undecodable && error?.revision == badValue
            }
            var seen: [String] = []
            for try await event in bucket.watch() {
                switch event {
                case .entry(let entry): seen.append("\(entry.key)")
                case .undecodable(let error): seen.append("\(error.key?.description ?? "")@\(error.revision ?? 0)")
                case .endOfInitialData: seen.append("end")
                }
                if seen.last == "end" { break }
            }
            #expect(seen == ["a", "not-encoded-@\(badKey)", "Yg@\(badValue)", "c", "end"])
        }
    }

    @Test("54.112 a key that would be stored as an illegal one is refused, with both", arguments: ServerBinary.all)
    func illegalKeys(binary: ServerBinary) async throws {
        try await ManagementRig.run(binary) { rig in
            _ = try await rig.create()
            let paths = try await rig.buckets.open(rig.name, codecs: BucketCodecs(key: PathKeyCodec()))
            await #expect {
                try await paths.put("/a b/c", "v")
            } throws: { error in
                let error = error as? KeyValueError
                return error?.code == .invalidKey && error?.key == "/a b/c"
                    && "\(error as Any)".contains("_root_.a b.c")
            }
            // A `+` of the standard alphabet may not stand in a key.
            let script = try await rig.buckets.open(rig.name, codecs: BucketCodecs(key: Base64KeyCodec.javaScript))
            await expect(.invalidKey) { try await script.put("~~~???", "v") }
            try await script.put("hello.world", "v")
            #expect(try await rig.buckets.open(rig.name).get("aGVsbG8=.d29ybGQ=")?.string == "v")
        }
    }

    @Test("54.110 patterns that no codec turns are refused before anything is sent", arguments: ServerBinary.all)
    func patterns(binary: ServerBinary) async throws {
        try await ManagementRig.run(binary) { rig in
            let plain = KeyValueBucket(try await rig.create())
            let single = try await rig.buckets.open(rig.name, codecs: BucketCodecs(key: Prefix("A")))
            for (bucket, pattern) in [(plain, "a b.*"), (plain, "a\r\nb"), (single, "orders.*"), (single, "orders.>")] {
                let pattern = try KeyPattern(encodable: pattern)
                await expect(.invalidPattern) { for try await _ in bucket.watch([pattern]) {} }
                await expect(.invalidPattern) { for try await _ in bucket.keys(matching: [pattern]) {} }
            }
        }
    }
}
