import Hummingbird
import NIOCore

/// A request's context: the framework's, and the connection that it came by.
struct FaceContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    let channel: any Channel

    init(source: ApplicationRequestContextSource) {
        coreContext = .init(source: source)
        channel = source.channel
    }
}
