import CMalloc

/// How this process asks the system for memory.
enum ProcessMemory {
    /// Keeps what segments are made of from going back to the system after each of them.
    ///
    /// To get and clear the pages again took a quarter of the time of a backup. Few threads work at once, so that two
    /// arenas do.
    static func keepBlocks() {
        #if canImport(Glibc)
        mallopt(M_MMAP_THRESHOLD, 32 << 20)
        mallopt(M_TRIM_THRESHOLD, 32 << 20)
        mallopt(M_ARENA_MAX, 2)
        #endif
    }
}
