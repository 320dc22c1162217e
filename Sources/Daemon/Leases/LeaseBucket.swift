import JetStream
import KVModel
import KeyValue
import NATSClient

/// How the buckets are made in which daemons work together.
struct LeaseBucket: Sendable {
    /// On how many servers of a cluster it is kept at most.
    private static let mostReplicas: Int64 = 3

    /// The buckets of the cluster, on the connection that it has now.
    let buckets: @Sendable () async throws -> Buckets
    let name: String
    /// How long an entry lives, in nanoseconds; 0 for ever.
    let ttl: Int64
    let description: String

    /// The bucket; made if there is none.
    ///
    /// Throws a `DaemonError` for what will not pass by itself, and the server's error for what may.
    func open() async throws -> Bucket {
        let name: BucketName
        do {
            name = try BucketName(self.name)
        } catch {
            throw unusable("\(error)", hint: "name it with letters, digits, - and _ under daemon.leases.bucket")
        }
        let buckets = try await buckets()
        do {
            do {
                return try checked(try await buckets.bucket(name))
            } catch let error as KeyValueError where error.code == .bucketNotFound {
                return try checked(try await create(name, buckets))
            }
        } catch let error as NATSError {
            guard case .permissions(let subject) = error.code else { throw error }
            throw unusable(
                "the user has no permission for \(subject)",
                hint: "allow \(buckets.context.apiPrefix).> and \(name.subjectPrefix)> to be published, "
                    + "or make the bucket with a TTL of \(Self.text(ttl)) beforehand"
            )
        } catch let error as JetStreamError {
            guard !error.isTransient, !Self.isOffline(error) else { throw error }
            throw unusable(error.text, hint: error.hint ?? "make the bucket with a TTL of \(Self.text(ttl)) by hand")
        }
    }

    private func checked(_ bucket: Bucket) throws -> Bucket {
        let configuration = bucket.configuration
        guard !configuration.isMirror else {
            throw unusable("it is a mirror of another bucket", hint: "name the bucket itself under daemon.leases")
        }
        guard configuration.ttl == ttl else {
            throw unusable(
                "its TTL is \(Self.text(configuration.ttl)), not \(Self.text(ttl))",
                hint: "give all daemons the same duration under daemon.leases, or give the bucket that TTL"
            )
        }
        return bucket
    }

    /// Makes it, on as many servers as the cluster has, up to three.
    private func create(_ name: BucketName, _ buckets: Buckets) async throws -> Bucket {
        var configuration = BucketConfiguration(name: name)
        configuration.history = 1
        configuration.ttl = ttl
        configuration.description = description
        let isCluster = buckets.context.clusterName != nil
        configuration.replicas = isCluster ? Self.mostReplicas : 1
        while true {
            do {
                return try await buckets.create(configuration)
            } catch let error as KeyValueError where error.code == .bucketExists {
                // Another daemon was quicker.
                return try await buckets.bucket(name)
            } catch let error as JetStreamError {
                // A cluster of fewer servers refuses; one of which a server is down just now does not have fewer.
                guard configuration.replicas > 1, !error.isTransient, !Self.isOffline(error) else { throw error }
                configuration.replicas -= 1
            }
        }
    }

    private static func isOffline(_ error: JetStreamError) -> Bool {
        error.serverCode == 10_005 && error.text.contains("offline")
    }

    private static func text(_ nanoseconds: Int64) -> String {
        nanoseconds == 0 ? "none" : DurationText.text(nanoseconds: nanoseconds)
    }

    private func unusable(_ text: String, hint: String) -> DaemonError {
        DaemonError(.leases, text: "bucket \(name) cannot serve daemons: \(text)", hint: hint)
    }
}
