import Archive
import Foundation
import KVModel
import NATSClient

extension ConfigurationReader {
    /// The path that a text means: relative ones begin in the file's folder, `~` is the user's own.
    func path(_ text: String) -> String {
        if text == "~" || text.hasPrefix("~/"), let home = environment["HOME"] { return home + text.dropFirst() }
        return URL(fileURLWithPath: text.hasPrefix("/") ? text : "\(folder)/\(text)").standardizedFileURL.path
    }

    /// A path, and the text that it was written as.
    func path(_ value: ConfigurationValue, example: String) -> (path: String, shown: String)? {
        guard let scalar = scalar(value, example: "\(value.name): \(example)") else { return nil }
        return (path(scalar.text), scalar.isSubstituted ? scalar.shown : path(scalar.text))
    }

    /// The path of a file that is to be written; its folder must be there.
    func writtenPath(_ value: ConfigurationValue, example: String) -> (path: String, shown: String)? {
        guard let (path, shown) = path(value, example: example) else { return nil }
        let parent = (path as NSString).deletingLastPathComponent
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: parent, isDirectory: &isFolder), isFolder.boolValue else {
            mistake(
                value.place,
                "\(value.name): the folder of \(shown) is not there",
                "make the folder, or correct the path"
            )
            return nil
        }
        if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue {
            mistake(value.place, "\(value.name): \(shown) is a folder", "write the path of a file")
            return nil
        }
        return (path, shown)
    }

    /// The path of a file that must be readable, and pass a check.
    func readPath(
        _ value: ConfigurationValue,
        example: String,
        isSecret: Bool,
        check: (_ content: [UInt8], _ path: String) -> (text: String, hint: String)?
    ) -> String? {
        guard let (path, shown) = path(value, example: example) else { return nil }
        guard let content = content(path, shown, of: value, isSecret: isSecret) else { return nil }
        if let (text, hint) = check(content, path) {
            mistake(value.place, "\(value.name): \(shown) \(text)", hint)
            return nil
        }
        return path
    }

    /// The content of a small file.
    private func content(_ path: String, _ shown: String, of value: ConfigurationValue, isSecret: Bool) -> [UInt8]? {
        let limit = 1 << 20
        guard let handle = FileHandle(forReadingAtPath: path) else {
            let reason = String(cString: strerror(errno))
            mistake(
                value.place,
                "\(value.name): \(shown) cannot be read: \(reason)",
                "correct the path, or make the file readable"
            )
            return nil
        }
        do {
            let content = try handle.read(upToCount: limit) ?? Data()
            guard content.count < limit else { throw CocoaError(.fileReadTooLarge) }
            if isSecret, FileAccess.isCareless(path) {
                warn(value.place, "\(value.name): other users can read or change \(shown)", "chmod 600 it")
            }
            return Array(content)
        } catch {
            mistake(value.place, "\(value.name): \(shown) is no file that can be read whole", "name a small file")
            return nil
        }
    }

    /// A secret: the text itself, a `${VARIABLE}`, or what stands in the file of `file:PATH`.
    func secret(_ value: ConfigurationValue) -> Secret? {
        secret(value, isAddress: false)
    }

    /// A secret; an address holds one only where its writer put one into it.
    private func secret(_ value: ConfigurationValue, isAddress: Bool) -> Secret? {
        guard let scalar = scalar(value, example: "\(value.name): ${NAME} or \(value.name): file:PATH") else {
            return nil
        }
        guard scalar.written.hasPrefix("file:") else {
            guard !scalar.text.isEmpty else {
                mistake(value.place, "\(value.name): the variable of \(scalar.shown) is empty", "set it to the secret")
                return nil
            }
            if isOpenToOthers, !scalar.isSubstituted, !isAddress {
                warn(
                    value.place,
                    "\(value.name) is a secret in a file that other users can read",
                    "write file:PATH or ${NAME}, or chmod 600 the file"
                )
            }
            return Secret(scalar.text)
        }
        let name = String(scalar.text.dropFirst(5))
        guard !name.isEmpty else {
            mistake(value.place, "\(value.name): file: names no file", "write file:PATH")
            return nil
        }
        let shown = scalar.isSubstituted ? scalar.shown : path(name)
        guard var content = content(path(name), shown, of: value, isSecret: true) else { return nil }
        // The end of the line is the editor's, not the secret's.
        if content.last == 10 { content.removeLast() }
        if content.last == 13 { content.removeLast() }
        guard !content.isEmpty, let text = String(validating: content, as: UTF8.self) else {
            let fault = content.isEmpty ? "is empty" : "holds no UTF-8 text"
            mistake(value.place, "\(value.name): \(shown) \(fault)", "write the secret into it")
            return nil
        }
        return Secret(text)
    }

    /// The path of a file in PEM.
    func certificatePath(_ value: ConfigurationValue, isSecret: Bool = false) -> String? {
        readPath(value, example: "/etc/cistern/\(value.name).pem", isSecret: isSecret) { content, _ in
            String(decoding: content, as: UTF8.self).contains("-----BEGIN ")
                ? nil : ("is not in PEM", "name a file with a -----BEGIN line")
        }
    }

    /// The path of an archive's key file, written `file:PATH`.
    func archiveKeyPath(_ value: ConfigurationValue) -> String? {
        guard let scalar = scalar(value, example: "key: file:/etc/cistern/archive.key") else { return nil }
        guard scalar.written.hasPrefix("file:"), scalar.text.count > 5 else {
            mistake(value.place, "key names no file", "write file: and the path of a file that `cistern keygen` made")
            return nil
        }
        let keyPath = path(String(scalar.text.dropFirst(5)))
        let shown = scalar.isSubstituted ? scalar.shown : keyPath
        guard let content = content(keyPath, shown, of: value, isSecret: true) else { return nil }
        do {
            _ = try ArchiveKey(keyFile: content)
            return keyPath
        } catch {
            mistake(value.place, "key: \(shown) is no key file", "make one with `cistern keygen FILE`")
            return nil
        }
    }

    /// An `http` or `https` address, which may have a secret in it.
    func webAddress(_ value: ConfigurationValue) -> Secret? {
        guard let secret = secret(value, isAddress: true) else { return nil }
        let url = URL(string: secret.value)
        guard let scheme = url?.scheme?.lowercased(), ["http", "https"].contains(scheme), url?.host?.isEmpty == false
        else {
            mistake(value.place, "\(value.name) is no address of the web", "write https://HOST/PATH")
            return nil
        }
        return secret
    }
}
