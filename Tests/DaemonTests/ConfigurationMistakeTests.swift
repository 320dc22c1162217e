import Testing

@testable import Daemon

@Suite("Mistakes in files, clusters, archives and the daemon")
struct ConfigurationMistakeTests {
    @Test("A single mistake gives exactly its message", arguments: mistakes)
    private func message(mistake: (frame: ConfigurationFrame, lines: String, message: String)) throws {
        let rig = try ConfigurationRig()
        let loaded = try rig.load(mistake.frame.around(mistake.lines))
        #expect(loaded.mistakes.map(rig.plain) == [mistake.message])
        #expect(loaded.configuration == nil)
    }

    private static let mistakes: [(frame: ConfigurationFrame, lines: String, message: String)] = [
        (.file, "", "1:1: the file is empty; write clusters:, archives: and jobs:"),
        (.file, "# nothing but a comment\n", "1:1: the file is empty; write clusters:, archives: and jobs:"),
        (
            .file, "- a\n- b\n",
            "1:1: a configuration must be a mapping, not a list; write clusters:, archives: and jobs:"
        ),
        (.file, "jbos: {}\njobs: {}\n", "1:1: \"jbos\" is no key of a configuration; did you mean jobs?"),
        (.file, "jobs:\n\tj: {}\n", "2:1: a tab cannot indent; indent with spaces"),
        (.file, "jobs:\n  j:\n    backup: [a\n", "3:13: a list in brackets does not end; write for example [a, b]"),
        (
            .file, "jobs:\n  j: { backup: {}\n",
            "2:6: a mapping in braces does not end; write for example { a: 1, b: 2 }"
        ),
        (
            .file, "jobs:\n  j:\n    schedule: @daily\n",
            "3:15: no plain text can begin with @; put it into quotes, for example \"@daily\""
        ),
        (
            .file, "jobs:\n  j:\n    tag: a: b\n",
            "3:11: a colon stands where no key can; indent the line like its neighbours, and put a text with "
                + "a colon and a space in it into quotes"
        ),
        (
            .file, "jobs:\n  j:\n   a: 1\n  b: 2\n    c: 3\n",
            "5:6: a colon stands where no key can; indent the line like its neighbours, and put a text with "
                + "a colon and a space in it into quotes"
        ),
        (.file, "jobs:\n  j: \"open\n", "2:6: a quote is not closed; close it at the end of the text"),
        (
            .file, "jobs: {}\n---\njobs: {}\n",
            "2:1: a second document begins; take the line --- out: a file holds one document"
        ),
        (.file, "jobs: {}\nclusters\n", "2:1: a key without a colon; write KEY: VALUE"),
        (.file, "jobs: { a: \"\\q\" }\n", "1:13: there is no such escape in double quotes; write \\\\ for a backslash"),
        (
            .file, "jobs: {}\ndaemon: \u{1}\n",
            "2:9: a control character cannot stand in YAML; take it out, or write it in double quotes as \\x "
                + "and two hexadecimal digits"
        ),
        (.file, "jobs: {}\njobs: {}\n", "2:1: \"jobs\" stands twice, first in line 1; leave one of the two out"),
        (.file, "jobs: {}\n<<: {}\n", "2:1: mappings are not merged by <<; write the keys out"),
        (.file, "jobs: {}\n? [a]\n: 1\n", "2:3: a key of a configuration is no plain text; write KEY: VALUE"),
        (.file, "jobs: []\n", "1:7: jobs must be a mapping, not a list; write jobs: { NAME: { … } }"),
        (
            .cluster, "{}",
            "2:3: cluster north has neither context nor servers; write for example servers: [nats://HOST:4222]"
        ),
        (.cluster, "servers: []", "3:14: servers is an empty list; write for example servers: [nats://HOST:4222]"),
        (
            .cluster, "servers: 7x://h",
            "3:14: an entry of servers is no server's address; write nats://HOST:4222 or tls://HOST:4222"
        ),
        (
            .cluster, "servers: [nats://u:p@h]",
            "3:15: an address of servers has credentials in it; write nats://HOST:4222, and user: and "
                + "password: beside servers"
        ),
        (.cluster, "context: eest", "3:14: there is no context \"eest\" of the nats CLI; did you mean east?"),
        (.cluster, "context: nowhere", "3:14: there is no context \"nowhere\" of the nats CLI; the contexts are east"),
        (.cluster, "contxt: east", "3:5: \"contxt\" is no key of cluster north; did you mean context?"),
        (
            .cluster, "servers: h\nuser: u",
            "4:5: cluster north has a user and no password; add password:, or write token:"
        ),
        (.cluster, "servers: h\npassword: p", "4:5: cluster north has a password and no user; add user:"),
        (
            .cluster, "servers: h\ntoken: t\nuser: u\npassword: p",
            "4:5: cluster north has several identities, user and token; leave one"
        ),
        (
            .cluster, "servers: h\ntoken: ${ABSENT}",
            "4:12: the variable ABSENT is not set; set it, or write $${ for a plain ${"
        ),
        (
            .cluster, "servers: h\ntoken: ${EMPTY}",
            "4:12: token: the variable of ${EMPTY} is empty; set it to the secret"
        ),
        (
            .cluster, "servers: h\ntoken: ${NO-NAME}",
            "4:12: \"${NO-NAME}\" names no variable; write ${NAME}, or $${ for a plain ${"
        ),
        (.cluster, "servers: h\ntoken: ${OPEN", "4:12: a ${ has no }; write ${NAME}, or $${ for a plain ${"),
        (
            .cluster, "servers: h\ntoken: file:absent",
            "4:12: token: DIR/absent cannot be read: No such file or directory; correct the path, or make "
                + "the file readable"
        ),
        (.cluster, "servers: h\ntoken: \"file:\"", "4:12: token: file: names no file; write file:PATH"),
        (.cluster, "servers: h\ntoken: file:empty", "4:12: token: DIR/empty is empty; write the secret into it"),
        (
            .cluster, "servers: h\ntoken: file:.",
            "4:12: token: DIR is no file that can be read whole; name a small file"
        ),
        (
            .cluster, "servers: h\ntoken: [secret]",
            "4:12: token must be a text, not a list; write for example token: ${NAME} or token: file:PATH"
        ),
        (
            .cluster, "servers: h\ntoken:",
            "4:5: token says nothing; write for example token: ${NAME} or token: file:PATH"
        ),
        (
            .cluster, "servers: h\ncredentials: absent.creds",
            "4:18: credentials: DIR/absent.creds cannot be read: No such file or directory; correct the "
                + "path, or make the file readable"
        ),
        (
            .cluster, "servers: h\ncredentials: secret",
            "4:18: credentials: DIR/secret is no credentials file; make one with `nsc generate creds`"
        ),
        (
            .cluster, "servers: h\nnkey: secret",
            "4:11: nkey: DIR/secret holds no seed of an nkey; name a file with a line that begins with SU"
        ),
        (
            .cluster, "servers: h\ntls: yes",
            "4:10: tls of cluster north must be a mapping, not a text; write for example tls: { ca: "
                + "/etc/cistern/ca.pem }"
        ),
        (
            .cluster, "servers: h\ntls: { ca: secret }",
            "4:16: ca: DIR/secret is not in PEM; name a file with a -----BEGIN line"
        ),
        (
            .cluster, "servers: h\ntls: { certificate: ca.pem }",
            "4:12: tls of cluster north has a certificate and no key; add key:"
        ),
        (
            .cluster, "servers: h\ntls: { first: maybe }",
            "4:19: first must be true or false, not \"maybe\"; write first: true or first: false"
        ),
        (
            .cluster, "servers: h\ndomain: hub\napi-prefix: JS.hub.API",
            "5:5: cluster north has both domain and api-prefix; write one of them: a domain is a short way "
                + "of naming a prefix"
        ),
        (
            .cluster, "servers: h\ndomain: a.b",
            "4:13: domain: \"a.b\" cannot be part of a subject; write for example domain: hub"
        ),
        (
            .cluster, "servers: h\ninbox-prefix: a b",
            "4:19: inbox-prefix: \"a b\" cannot be part of a subject; write for example inbox-prefix: _INBOX.cistern"
        ),
        (
            .cluster, "servers: h\nsocks-proxy: http://proxy",
            "4:18: socks-proxy is no address without credentials; write socks5://HOST:1080"
        ),
        (
            .cluster, "servers: h\ntimeout: 30",
            "4:14: timeout: \"30\" is not a duration; write for example 90s, 15m, 24h, 30d or 1h30m"
        ),
        (
            .cluster, "servers: h\ntimeout: 1ms",
            "4:14: timeout must be from 100ms to 10m, not 1ms; write for example timeout: 5s"
        ),
        (
            .cluster, "servers: h\nconcurrency: 0",
            "4:18: concurrency must be a whole number from 1 to 1000, not \"0\"; write for example concurrency: 2"
        ),
        (
            .cluster, "servers: h\nconcurrency: many",
            "4:18: concurrency must be a whole number from 1 to 1000, not \"many\"; write for example concurrency: 2"
        ),
        (
            .cluster, "servers: h\nrate: fast",
            "4:11: rate: \"fast\" is not a number of bytes a second; write for example 512KiB/s or 10MB/s"
        ),
        (
            .cluster, "servers: h\nrate: 0",
            "4:11: rate: \"0\" is not a number of bytes a second; write for example 512KiB/s or 10MB/s"
        ),
        (.cluster, "servers: !vault h", "3:14: the tag !vault means nothing here; leave it out"),
        (
            .file, "jobs: {}\nclusters:\n  a/b: { servers: h }\n",
            "3:3: \"a/b\" cannot name a cluster; write letters, digits, -, _ and dots between them, at most 100"
        ),
        (.archive, "{}", "2:3: archive vault has no path; write for example path: main.cistern"),
        (
            .archive, "path: main.db",
            "3:11: path: DIR/main.db does not end in .cistern; write for example path: main.cistern"
        ),
        (
            .archive, "path: absent/main.cistern",
            "3:11: path: the folder of DIR/absent/main.cistern is not there; make the folder, or correct the path"
        ),
        (.archive, "path: folder.cistern", "3:11: path: DIR/folder.cistern is a folder; write the path of a file"),
        (
            .archive, "path: a.cistern\nkey: archive.key",
            "4:10: key names no file; write file: and the path of a file that `cistern keygen` made"
        ),
        (
            .archive, "path: a.cistern\nkey: file:secret",
            "4:10: key: DIR/secret is no key file; make one with `cistern keygen FILE`"
        ),
        (
            .archive, "path: a.cistern\nkey: file:archive.key\npassphrase: x",
            "5:5: archive vault has both key and passphrase; leave one of the two"
        ),
        (
            .file, "jobs: {}\narchives:\n  a: { path: x.cistern }\n  b: { path: ./x.cistern }\n",
            "4:3: archive b is the same file as archive a; give it another path, or use one name"
        ),
        (
            .file, "jobs: {}\narchives:\n  a: main.cistern\n",
            "3:6: archive a must be a mapping, not a text; write for example main: { path: main.cistern }"
        ),
        (
            .file, "jobs:\n  \"a b\": {}\n",
            "2:3: \"a b\" cannot name a job; write letters, digits, -, _ and dots between them, at most 100"
        ),
        (.daemon, "htp: off", "8:5: \"htp\" is no key of daemon; did you mean http?"),
        (
            .daemon, "http: 8422",
            "8:11: http: \"8422\" is not HOST:PORT; write for example http: 127.0.0.1:8422, or http: off"
        ),
        (
            .daemon, "http: \"0.0.0.0:8422\"",
            "8:11: others can reach 0.0.0.0, and there is no token and no TLS; listen on 127.0.0.1, or write "
                + "http: { listen: HOST:PORT, token: file:PATH, tls: { certificate: FILE, key: FILE } }"
        ),
        (
            .daemon, "http: { listen: \"0.0.0.0:8422\", token: 0123456789abcdef }",
            "8:21: others can reach 0.0.0.0, and there is no TLS; listen on 127.0.0.1, or write http: { "
                + "listen: HOST:PORT, token: file:PATH, tls: { certificate: FILE, key: FILE } }"
        ),
        (
            .daemon, "http: { token: 0123456789abcdef }",
            "8:5: http has no listen; write for example listen: 127.0.0.1:8422"
        ),
        (
            .daemon, "http: \"127.example.com:8422\"",
            "8:11: others can reach 127.example.com, and there is no token and no TLS; listen on 127.0.0.1, or write "
                + "http: { listen: HOST:PORT, token: file:PATH, tls: { certificate: FILE, key: FILE } }"
        ),
        (
            .daemon, "http: { listen: \"127.0.0.1:1\", token: short }",
            "8:43: token is shorter than 16 characters; take a random one, such as the output of: "
                + "openssl rand -hex 32"
        ),
        (
            .daemon, "http: { listen: \"127.0.0.1:1\", tls: { certificate: hollow.pem, key: key.pem } }",
            "8:56: certificate: no certificate can be read from the file; name a PEM file that begins with the "
                + "daemon's own certificate"
        ),
        (
            .daemon, "http: { listen: \"127.0.0.1:1\", tls: { certificate: ca.pem, key: hollow.pem } }",
            "8:69: key: no private key can be read from the file; name a PEM file with a key that has no passphrase"
        ),
        (
            .daemon, "http: { listen: \"127.0.0.1:1\", tls: { certificate: ca.pem, key: other-key.pem } }",
            "8:69: key: it does not fit the certificate; name the key that the first certificate of the file "
                + "was made for"
        ),
        (
            .daemon, "http: { listen: \"127.0.0.1:99999\" }",
            "8:21: listen: \"127.0.0.1:99999\" is not HOST:PORT; write for example listen: 127.0.0.1:8422"
        ),
        (
            .daemon, "http: { listen: \"127.0.0.1:1\", tls: {} }",
            "8:36: tls of http has no certificate; write tls: { certificate: FILE, key: FILE }"
        ),
        (
            .daemon, "state: absent/state.db",
            "8:12: state: the folder of DIR/absent/state.db is not there; make the folder, or correct the path"
        ),
        (.daemon, "leases: {}", "8:5: leases has no cluster; write for example cluster: east"),
        (.daemon, "leases: { cluster: est }", "8:24: there is no cluster \"est\"; did you mean east?"),
        (
            .daemon, "leases: { cluster: east, duration: 1s }",
            "8:40: duration must be from 2s to 1h, not 1s; write for example duration: 15s"
        ),
        (
            .daemon, "leases: { cluster: east, bucket: \"a b\" }",
            "8:38: \"a b\" is not a bucket's name; write letters, digits, - and _"
        ),
        (
            .daemon, "concurrency: 0",
            "8:18: concurrency must be a whole number from 1 to 1000, not \"0\"; write for example concurrency: 4"
        ),
        (
            .daemon, "stop-within: 2h",
            "8:18: stop-within must be from 0s to 1h, not 2h; write for example stop-within: 10s"
        ),
    ]
}
