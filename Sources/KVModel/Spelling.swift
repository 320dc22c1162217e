/// Finds out which word somebody may have meant who wrote one that does not exist.
public enum Spelling {
    /// The word that is most like another, if one is like it at all.
    public static func closest(to word: String, among known: some Collection<String>) -> String? {
        var best: (name: String, distance: Int)?
        for name in known where abs(name.count - word.count) <= best?.distance ?? .max {
            let distance = distance(word, name)
            if distance < best?.distance ?? .max { best = (name, distance) }
        }
        guard let best, best.distance <= max(1, min(word.count, best.name.count) / 3) else { return nil }
        return best.name
    }

    /// How many letters must be added, dropped, replaced or swapped with their neighbour to get from one word to the
    /// other.
    public static func distance(_ left: String, _ right: String) -> Int {
        let (left, right) = (Array(left), Array(right))
        var before: [Int] = []
        var above = Array(0...right.count)
        for row in left.indices {
            var line = [row + 1]
            for column in right.indices {
                var cost = min(above[column + 1] + 1, line[column] + 1)
                cost = min(cost, above[column] + (left[row] == right[column] ? 0 : 1))
                if row > 0, column > 0, left[row] == right[column - 1], left[row - 1] == right[column] {
                    cost = min(cost, before[column - 1] + 1)
                }
                line.append(cost)
            }
            (before, above) = (above, line)
        }
        return above[right.count]
    }
}
