public import ArgumentParser
public import KVModel

/// A duration as an argument: `90s`, `15m`, `24h`.
enum DurationArgument {
    /// Reads it; throws what says how to write one.
    static func parse(_ text: String) throws -> Duration {
        .nanoseconds(try DurationText.nanoseconds(text))
    }
}

extension BucketName: ExpressibleByArgument {
    /// The bucket that an argument names; nil if it is no bucket name.
    public init?(argument: String) {
        do { try self.init(argument) } catch { return nil }
    }
}

/// A number of bytes a second as an argument: `512KiB`, `10MB/s`.
enum RateArgument {
    /// Reads it; throws what says how to write one.
    static func parse(_ text: String) throws -> UInt64 {
        let bytes = try SizeText.bytes(text.hasSuffix("/s") ? String(text.dropLast(2)) : text)
        guard bytes > 0 else { throw ModelError.invalidSize(text) }
        return UInt64(bytes)
    }
}

/// A rule that maps keys as an argument.
enum MappingArgument {
    /// Reads it; throws what is wrong with it.
    static func parse(_ text: String) throws -> KeyMapping.Rule {
        try KeyMapping.Rule(text)
    }
}

/// A key or a pattern of keys as an argument.
enum PatternArgument {
    /// Reads it; throws what is wrong with it.
    static func parse(_ text: String) throws -> KeyPattern {
        try KeyPattern(text)
    }
}
