import KVModel
import Testing

@Suite("Clamped arithmetic")
struct ClampedArithmeticTests {
    @Test("A sum beyond the integers is the nearest one")
    func sums() {
        #expect(UInt64(2).addingClamped(3) == 5)
        #expect(UInt64.max.addingClamped(1) == .max)
        #expect(UInt64.max.addingClamped(.max) == .max)
        #expect(Int64.max.addingClamped(1) == .max)
        #expect(Int64.min.addingClamped(-1) == .min)
        #expect(Int64.max.addingClamped(.min) == -1)
    }
}
