import Foundation

/// Whether the tests that take minutes were asked for (`scripts/test --long`).
public let isLongRun = ProcessInfo.processInfo.environment["CISTERN_LONG"] != nil
