import Daemon
import Testing

@Suite("Secrets")
struct SecretTests {
    @Test("A secret shows in no text that is made of it")
    func hidden() {
        var settings = ClusterSettings()
        settings.password = Secret("hunter2")
        #expect(!String(describing: settings).contains("hunter2"))
        #expect(!String(reflecting: settings).contains("hunter2"))
        var dumped = ""
        dump(settings, to: &dumped)
        #expect(!dumped.contains("hunter2"))
    }
}
