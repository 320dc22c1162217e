import Glibc

/// The files, sockets and pipes that this process has open.
public enum OpenFiles {
    /// Keeps all of them from the programs that are started from now on; call it before each start.
    ///
    /// NIO opens sockets that programs inherit: a port would stay taken, and a connection open, for as long as a server
    /// runs that another test happened to start meanwhile.
    public static func keepFromChildren() {
        guard let folder = opendir("/proc/self/fd") else { return }
        defer { closedir(folder) }
        while let entry = readdir(folder) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            // What was closed by now makes fcntl fail, which is as good.
            if let descriptor = Int32(name), descriptor > 2 { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
        }
    }
}
