import Foundation
public import KVModel

/// A setting that programs read while they run: a key, what type its value is of, and what holds where it has none.
///
/// ```swift
/// let darkMode = FeatureFlag<Bool>("dark-mode", default: false)
/// let limits = FeatureFlag<Limits>(json: "limits", default: Limits())
/// ```
///
/// Values are text that people can type: `true`, `on`, `yes` and `1` or `false`, `off`, `no` and `0` for `Bool` (in
/// any case), numbers in decimal, strings as they are, and JSON for everything else. Spaces and line ends round a
/// truth value or a number do not matter.
public struct FeatureFlag<Value: Sendable>: Sendable {
    /// The key in the bucket.
    public let key: Key
    /// What holds where the key has no value, or one that is not of the type.
    public let defaultValue: Value

    let decode: @Sendable ([UInt8]) throws -> Value
    let encode: @Sendable (Value) throws -> [UInt8]

    /// A flag with a form of its own; `decode` throws for what is not of the type.
    public init(
        _ key: Key,
        default defaultValue: Value,
        decode: @escaping @Sendable ([UInt8]) throws -> Value,
        encode: @escaping @Sendable (Value) throws -> [UInt8]
    ) {
        self.key = key
        self.defaultValue = defaultValue
        self.decode = decode
        self.encode = encode
    }

    private init(
        _ key: Key,
        _ defaultValue: Value,
        text: @escaping @Sendable (Value) -> String,
        parse: @escaping @Sendable (String) -> Value?
    ) {
        self.init(key, default: defaultValue) { bytes in
            guard let text = String(validating: bytes, as: UTF8.self), let value = parse(text) else {
                throw FlagMistake(type: "\(Value.self)")
            }
            return value
        } encode: {
            Array(text($0).utf8)
        }
    }
}

extension FeatureFlag where Value == Bool {
    /// A flag that is on or off.
    public init(_ key: Key, default defaultValue: Bool) {
        self.init(key, defaultValue, text: \.description) { text in
            switch text.trimmed.lowercased() {
            case "true", "on", "yes", "1": true
            case "false", "off", "no", "0": false
            default: nil
            }
        }
    }
}

extension FeatureFlag where Value == Int {
    /// A flag that is a whole number.
    public init(_ key: Key, default defaultValue: Int) {
        self.init(key, defaultValue, text: \.description) { Int($0.trimmed) }
    }
}

extension FeatureFlag where Value == Double {
    /// A flag that is a number.
    public init(_ key: Key, default defaultValue: Double) {
        self.init(key, defaultValue, text: \.description) { text in
            Double(text.trimmed).flatMap { $0.isFinite ? $0 : nil }
        }
    }
}

extension FeatureFlag where Value == String {
    /// A flag that is a text.
    public init(_ key: Key, default defaultValue: String) {
        self.init(key, defaultValue, text: \.self) { $0 }
    }
}

extension FeatureFlag where Value: Codable {
    /// A flag that is JSON of a type.
    public init(json key: Key, default defaultValue: Value) {
        self.init(key, default: defaultValue) { bytes in
            try JSONDecoder().decode(Value.self, from: Data(bytes))
        } encode: { value in
            Array(try JSONEncoder().encode(value))
        }
    }
}

/// What a flag's value is not.
private struct FlagMistake: Error, CustomStringConvertible {
    let type: String

    var description: String { "the value is no \(type)" }
}

extension String {
    fileprivate var trimmed: String { trimmingCharacters(in: .whitespacesAndNewlines) }
}
