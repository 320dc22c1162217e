import KVModel
import KeyValue

/// The code of the first page.
enum FirstPage {
    static func run(_ buckets: Buckets) async throws -> String? {
        // region
        let settings = try await buckets.open(try BucketName("settings"))
        try await settings.put("web.color", "green")
        let color = try await settings.get("web.color")?.string
        // end
        return color
    }
}
