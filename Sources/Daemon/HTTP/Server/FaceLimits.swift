import NIOCore

/// The bounds that keep a client from holding up the face.
struct FaceLimits: Sendable {
    /// How many connections are open at once; more wait until one ends.
    var connections = 128
    /// How long a connection may be silent between requests, and a request's head may take.
    var idle = TimeAmount.seconds(15)
    /// How long a request's body may take to come.
    var receive = TimeAmount.seconds(10)
    /// How long what is sent may wait for the other end.
    var send = TimeAmount.seconds(15)
    /// How long a connection may outlive a stop.
    var stop = TimeAmount.milliseconds(300)
    /// The largest head of a request, in bytes.
    var head = 16 * 1024
    /// The largest body of a request, in bytes.
    var body = 16 * 1024
}
