import KVModel

/// Lets somebody on a terminal choose one of several buckets.
enum BucketChoice {
    /// Shows the names with numbers, and asks for one of them.
    static func ask(among names: [BucketName], _ console: Console) throws -> BucketName {
        guard !names.isEmpty else {
            throw CommandError(
                .nothingMatches,
                text: "this account has no buckets",
                hint: "`cistern kv add NAME` makes one"
            )
        }
        let width = String(names.count).count
        for (index, name) in names.enumerated() {
            let number = String(index + 1)
            console.say(String(repeating: " ", count: width - number.count) + "\(number)  \(name)")
        }
        console.say("Which bucket? Its number or its name:")
        return try chosen(readLine(strippingNewline: true) ?? "", among: names)
    }

    /// The bucket that an answer names; a name counts more than a number.
    static func chosen(_ answer: String, among names: [BucketName]) throws -> BucketName {
        let word = String(answer.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
        if let name = names.first(where: { $0.rawValue == word }) { return name }
        if let number = Int(word), names.indices.contains(number - 1) { return names[number - 1] }
        guard !word.isEmpty else { throw CommandError(.declined, text: "no bucket was chosen") }
        let meant = Int(word) == nil ? Spelling.closest(to: word, among: names.map(\.rawValue)) : nil
        throw CommandError(
            .nothingMatches,
            text: "there is no bucket \(word)",
            hint: meant.map { "did you mean \($0)?" } ?? "give a number from 1 to \(names.count), or a name"
        )
    }
}
