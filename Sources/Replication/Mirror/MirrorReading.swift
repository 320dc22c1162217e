import JetStream
import KVModel
import KeyValue
import NATSClient

/// The tasks beside a mirror's own: they put what they learn into its inbox.
enum MirrorReading {
    /// Reads the source behind a revision until cancelled, over a connection of its own.
    ///
    /// Whoever lets what is read pile up holds up the whole connection: acknowledgements must not come over the same.
    static func follow(
        _ source: Bucket,
        after revision: Revision,
        _ options: MirrorOptions,
        into inbox: MirrorInbox
    ) async {
        let context = source.context
        let clock = ContinuousClock()
        let started = clock.now
        while true {
            do {
                try await Connection.withConnection(
                    context.connection.configuration,
                    logger: context.connection.logger
                ) { connection in
                    let own = JetStreamContext(connection, apiPrefix: context.apiPrefix, timeout: context.timeout)
                    let watch = try await watch(source, own, after: revision, options)
                    do {
                        inbox.put(.began(pending: await watch.initiallyPending))
                        try await read(watch, options, into: inbox)
                    } catch {
                        await watch.stop()
                        throw MirrorReadingError(cause: error)
                    }
                }
            } catch let error as MirrorReadingError {
                if !(error.cause is CancellationError) { inbox.put(.failed(error.cause)) }
                return
            } catch is CancellationError {
                return
            } catch {
                // Nothing was read yet.
                let isOver = options.patience.map { started.duration(to: clock.now) > $0 } ?? false
                guard error.isUnreachable, !isOver else { return inbox.put(.failed(error)) }
            }
            do { try await Task.sleep(for: .milliseconds(250)) } catch { return }
        }
    }

    private static func watch(
        _ source: Bucket,
        _ context: JetStreamContext,
        after revision: Revision,
        _ options: MirrorOptions
    ) async throws -> Watch {
        var watch = WatchOptions()
        if !options.filter.isEmpty { watch.patterns = options.filter }
        watch.start = .sequence(revision + 1)
        watch.patience = options.patience
        watch.bytesPerSecond = options.bytesPerSecond
        watch.created = source.info.created
        return try await Buckets(context).bucket(source.name).watch(watch)
    }

    /// Reads until cancelled.
    private static func read(_ watch: Watch, _ options: MirrorOptions, into inbox: MirrorInbox) async throws -> Never {
        var throttle = Throttle(bytesPerSecond: options.bytesPerSecond)
        while true {
            try await inbox.room()
            guard let batch = try await watch.next() else { continue }
            inbox.put(.batch(batch, restarts: await watch.restarts), bytes: batch.byteCount)
            try await throttle?.pass(batch.byteCount)
        }
    }

    /// Takes the server's answers to writes.
    static func answers(to publisher: NumberedPublisher, into inbox: MirrorInbox) async {
        do {
            while let answers = try await publisher.answers() { inbox.put(.answers(answers)) }
            inbox.put(.failed(NATSError(.closed, cause: "the connection to the target was closed")))
        } catch is CancellationError {
        } catch {
            inbox.put(.failed(error))
        }
    }

    /// Says that time passes.
    static func ticks(into inbox: MirrorInbox) async {
        while !Task.isCancelled {
            inbox.put(.tick)
            do { try await Task.sleep(for: .milliseconds(50)) } catch { return }
        }
    }

    /// Asks every second whether a bucket is still there and the same.
    static func watchOver(
        _ bucket: Bucket,
        into inbox: MirrorInbox,
        _ event: (StreamInfo) -> MirrorEvent,
        gone: @autoclosure () -> ReplicationError
    ) async {
        var absences = 0
        while !Task.isCancelled {
            do {
                try await Task.sleep(for: .seconds(1))
                inbox.put(event(try await bucket.context.streamInfo(bucket.name.streamName)))
                absences = 0
            } catch is CancellationError {
                return
            } catch let error as JetStreamError where error.code == .streamNotFound {
                // A cluster that has just begun to run may not know all of its streams.
                absences += 1
                if absences >= 3 { inbox.put(.failed(gone())) }
            } catch {
                // Who reads and writes will find out what is wrong.
                absences = 0
            }
        }
    }

    /// Looks up the newest entry of a key in the target.
    static func look(
        _ key: KeyDigest,
        _ name: Key,
        at sequence: UInt64?,
        in target: Bucket,
        into inbox: MirrorInbox
    ) async {
        let stream = target.name.streamName
        do {
            if let text = String(validating: name.bytes, as: UTF8.self) {
                let subject = target.subjectPrefix + text
                inbox.put(.found(key, try await target.context.lastMessage(stream, subject: subject)))
            } else if let sequence, sequence > 0 {
                // A name that is no text cannot be asked for; the server has said which message it is.
                inbox.put(.found(key, try await target.context.message(stream, at: sequence)))
            } else {
                inbox.put(.found(key, nil))
            }
        } catch {
            inbox.put(.notFound(key, error))
        }
    }

    /// Looks up the target's last entry.
    static func lookAtEnd(_ key: KeyDigest, of target: Bucket, into inbox: MirrorInbox) async {
        let stream = target.name.streamName
        do {
            let last = try await target.context.streamInfo(stream).state.lastSequence
            let message = last > 0 ? try await target.context.message(stream, at: last) : nil
            inbox.put(.end(key, last, message))
        } catch {
            inbox.put(.notFound(key, error))
        }
    }
}

/// What ended a watch that had begun.
private struct MirrorReadingError: Error {
    let cause: any Error
}

extension Error {
    /// Whether there was no way to a server, or none for the moment.
    var isUnreachable: Bool {
        if mayPass { return true }
        guard let error = self as? NATSError else { return false }
        return [.connectionRefused, .unreachable, .resolve].contains(error.code)
    }
}
