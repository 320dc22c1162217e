// KVModel holds the values that every other target shares: names of buckets and keys, revisions, times, entries,
// header blocks, patterns and bucket configurations. It imports nothing, does no I/O and knows no wire protocol
// beyond the header block that an entry carries. Keys, headers and values are bytes here, never text: servers accept
// keys that are not UTF-8, and a backup must give back exactly what it was given. Start with `EntryView`, the form in
// which entries travel between targets, then `Entry`, its owned twin, and `BucketConfiguration`.

/// The position of an entry in its bucket: the sequence of its message in the bucket's stream, starting at 1.
public typealias Revision = UInt64
