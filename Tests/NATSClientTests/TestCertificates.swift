import Foundation
import TestSupport
import Testing

/// An authority and another one, a server's certificate for this machine, one for another host, and a client's.
enum TestCertificates {
    static func make() async throws -> TemporaryDirectory {
        let folder = try TemporaryDirectory("tls")
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
        let script = """
            set -e; cd '\(folder.path)'
            for ca in ca other; do
              openssl req -x509 \(key) -days 2 -keyout $ca.key -out $ca.pem -subj /CN=$ca
            done
            leaf() {
              openssl req \(key) -keyout $1.key -out $1.csr -subj /CN=$1
              printf "subjectAltName=$2\\nextendedKeyUsage=serverAuth,clientAuth\\n" > $1.ext
              openssl x509 -req -in $1.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile $1.ext -out $1.pem
            }
            leaf server DNS:localhost,IP:127.0.0.1,IP:::1
            leaf elsewhere DNS:elsewhere.example
            leaf client DNS:client
            """
        #expect(try await ChildProcess.run("/bin/sh", ["-c", script]) == 0)
        return folder
    }
}
