import Daemon
import Foundation
import KVModel
import TestSupport
import Testing

@Suite("The daemon's client")
struct DaemonClientTests {
    /// A certificate that signs itself, and two of one authority, each with that behind it; of one the leaf alone, too.
    private static func certificates() async throws -> TemporaryDirectory {
        let folder = try TemporaryDirectory("client")
        let script = """
            set -e; cd '\(folder.path)'
            new='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
            for name in alone ca; do
              openssl req -x509 $new -days 2 -keyout $name.key -out $name.pem -subj /CN=$name
            done
            for name in daemon impostor; do
              openssl req $new -keyout $name.key -out $name.csr -subj /CN=$name
              printf 'subjectAltName=DNS:status.example\\nextendedKeyUsage=serverAuth\\n' > $name.ext
              openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile $name.ext \
                -out $name-leaf.pem
              cat $name-leaf.pem ca.pem > $name.pem
            done
            """
        #expect(try await ChildProcess.run("/bin/sh", ["-c", script]) == 0)
        return folder
    }

    /// A daemon that shows a certificate, and what a client needs that expects another, or the same.
    private static func face(
        of daemon: StandInDaemon,
        showing shown: String,
        expecting expected: String,
        in folder: TemporaryDirectory
    ) async throws -> (face: RunningFace, settings: HTTPSettings) {
        var settings = HTTPSettings()
        settings.token = Secret("0123456789abcdef0123456789abcdef")
        settings.certificate = folder.file("\(expected).pem")
        let token = settings.token
        let face = try await RunningFace(daemon) {
            $0.token = token
            $0.certificate = folder.file("\(shown).pem")
            $0.key = folder.file("\(shown).key")
        }
        settings.port = face.port
        return (face, settings)
    }

    @Test("The daemon's own certificate is enough, whoever issued it and to whatever name")
    func own() async throws {
        let folder = try await Self.certificates()
        for (shown, expected) in [("alone", "alone"), ("daemon", "daemon"), ("daemon", "daemon-leaf")] {
            let daemon = StandInDaemon()
            let (face, settings) = try await Self.face(of: daemon, showing: shown, expecting: expected, in: folder)
            try await DaemonClient.withClient(of: settings) { client in
                try await client.checkAlive()
                _ = try await client.status()
            }
            #expect(await daemon.views == 1, "\(expected)")
            try await face.stop()
        }
    }

    @Test("Another certificate is refused before anything is asked, even one of the same authority")
    func another() async throws {
        let folder = try await Self.certificates()
        for (shown, expected) in [("impostor", "daemon"), ("alone", "daemon"), ("daemon", "ca")] {
            let daemon = StandInDaemon()
            let (face, settings) = try await Self.face(of: daemon, showing: shown, expecting: expected, in: folder)
            let error = await #expect(throws: DaemonError.self) {
                _ = try await DaemonClient.withClient(of: settings) { try await $0.status() }
            }
            #expect(error?.code == .http, "\(shown)")
            #expect(error?.text.contains("shows another certificate") == true, "\(shown)")
            #expect(await daemon.views == 0, "\(shown)")
            try await face.stop()
        }
    }

    @Test("Without the certificate's file nothing is asked")
    func absent() async throws {
        let folder = try TemporaryDirectory("client")
        var settings = HTTPSettings()
        settings.certificate = folder.file("absent.pem")
        let error = await #expect(throws: DaemonError.self) {
            try await DaemonClient.withClient(of: settings) { try await $0.checkAlive() }
        }
        #expect(error?.code == .configuration)
    }
}
