extension FixedWidthInteger {
    /// The sum, or the number nearest to it that there is: for numbers that a server or a file may name as it likes.
    package func addingClamped(_ other: Self) -> Self {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? (other < 0 ? .min : .max) : sum
    }
}
