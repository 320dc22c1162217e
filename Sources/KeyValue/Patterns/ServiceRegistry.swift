import KVModel

/// Which services run where, kept in a bucket: entries of instances that renew them, and vanish with them.
///
/// ```swift
/// let registry = try ServiceRegistry(bucket, lease: .seconds(15))
/// let registration = try await registry.register(ServiceInstance(service: "billing", address: "10.0.0.7:8080"))
/// group.addTask { try await registration.run() }       // renews it, and removes it when the task is cancelled
///
/// for try await instances in registry.changes(of: "billing") { balancer.use(instances) }
/// ```
///
/// An instance stands in the key `<service>.<id>`, as JSON with `address` and `metadata`. It is renewed after a third of
/// the lease. When it is not renewed any more the server drops it: after the lease, where entries have a lifetime of
/// their own (servers from 2.11 on, in a bucket that allows it, with a history of 1), else after the bucket's TTL. A
/// bucket with neither, a mirror, or a bucket with replicas on servers before 2.9.21 is refused with `unsupported`.
///
/// What it does not promise: that an instance that is shown can be reached (it may have died within its lease), nor
/// that one that runs is shown (the server may be out of its reach for longer than the lease; then it comes back by
/// itself). Whoever calls an instance has to live with both.
public struct ServiceRegistry: Sendable {
    /// How long an instance is kept that does not renew itself.
    public let lease: Duration

    let bucket: KeyValueBucket
    let terms: LeaseTerms

    /// The registry in a bucket, with a lease of a second or more.
    ///
    /// All who share a registry should give it the same lease. Throws `unsupported` and `invalidOption` as said above.
    public init(_ bucket: KeyValueBucket, lease: Duration = .seconds(15)) throws {
        terms = try LeaseTerms(lease: lease, in: bucket)
        self.bucket = bucket.forPattern()
        self.lease = lease
    }

    /// Enters an instance, in place of one of the same id that was there.
    ///
    /// It is shown from then on; call `ServiceRegistration.run` to keep it so.
    public func register(_ instance: ServiceInstance) async throws -> ServiceRegistration {
        let registration = try ServiceRegistration(self, instance)
        try await registration.enter()
        return registration
    }

    /// The instances of a service that the bucket holds now.
    ///
    /// Entries under the service's name that are no instances are passed over.
    public func instances(of service: String) async throws -> Set<ServiceInstance> {
        var instances: [Key: ServiceInstance] = [:]
        var options = KeyWatchOptions(start: .newest)
        options.patience = bucket.requestTimeout
        for try await event in bucket.watch([try pattern(of: service)], options: options) {
            switch event {
            case .entry(let entry): instances[entry.key] = ServiceInstance(entry)
            case .undecodable: continue
            case .endOfInitialData: return Set(instances.values)
            }
        }
        throw CancellationError()
    }

    /// The instances of a service: as they are, and each time that one comes, goes or changes.
    ///
    /// A reader that is slow sees the newest set alone. Lost connections and servers that restart do not end it: the
    /// last set stands meanwhile. It fails if the bucket is deleted, and ends when the reader's task is cancelled or the
    /// loop is left. Where entries expire without a marker, as on servers before 2.11, the bucket's leader is asked for
    /// each that was not renewed for its time.
    public func changes(of service: String) -> ServiceChanges {
        ServiceChanges(registry: self, service: service)
    }

    func pattern(of service: String) throws -> KeyPattern {
        guard Key(service).isLegal else {
            throw KeyValueError(code: .invalidKey, bucket: bucket.name, key: Key(service))
        }
        return try KeyPattern("\(service).*")
    }
}
