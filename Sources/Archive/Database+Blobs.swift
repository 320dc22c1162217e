import Foundation
import GRDB
import GRDBSQLite

/// Parts of large blobs: a whole one would be copied and hashed for the sake of a few of its bytes.
extension Database {
    /// Bytes of a segment's values; throws `SegmentDamage` if the blob is not there, or not as long as its row says.
    func valueBytes(_ range: Range<Int>, of row: SegmentRow) throws -> Data {
        let column = SegmentBlob.values.column
        var handle: OpaquePointer?
        let code = sqlite3_blob_open(sqliteConnection, "main", "segment_data", column, row.data, 0, &handle)
        defer { sqlite3_blob_close(handle) }
        guard code == SQLITE_OK else {
            // There is no such row, or no bytes in it.
            if code == SQLITE_ERROR { throw SegmentDamage("its data is gone") }
            throw DatabaseError(resultCode: ResultCode(rawValue: code), message: lastErrorMessage)
        }
        guard Int(sqlite3_blob_bytes(handle)) == row.sizes.values, range.upperBound <= row.sizes.values else {
            throw SegmentDamage("its column \(column) is not as long as it was")
        }
        guard !range.isEmpty else { return Data() }
        var bytes = Data(count: range.count)
        let result = bytes.withUnsafeMutableBytes { buffer in
            sqlite3_blob_read(handle, buffer.baseAddress, Int32(range.count), Int32(range.lowerBound))
        }
        guard result == SQLITE_OK else {
            throw DatabaseError(resultCode: ResultCode(rawValue: result), message: lastErrorMessage)
        }
        return bytes
    }
}
