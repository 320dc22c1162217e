import Foundation
import HTTPTypes
import Hummingbird

/// The answers of the HTTP face, by what they are made of.
enum FaceResponse {
    /// A document of the API.
    static func json(_ document: some Encodable, status: HTTPResponse.Status = .ok) throws -> Response {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.keyEncodingStrategy = .convertToSnakeCase
        let data = try encoder.encode(document)
        return make(Array(data) + [10], type: "application/json", status: status)
    }

    /// A text such as `text/plain`.
    static func text(_ text: String, type: String, status: HTTPResponse.Status = .ok) -> Response {
        make(Array(text.utf8), type: type, status: status)
    }

    /// A page, which may load nothing but what stands in it.
    static func page(_ page: HTML, status: HTTPResponse.Status = .ok) -> Response {
        var response = make(Array(page.text.utf8), type: "text/html; charset=utf-8", status: status)
        response.headers[.contentSecurityPolicy] = PageFrame.contentSecurityPolicy
        return response
    }

    /// To another page, after a form was sent.
    static func seeOther(_ location: String) -> Response {
        Response(status: .seeOther, headers: [.location: location])
    }

    /// A failure, as the API says it.
    static func failure(_ error: FaceError) throws -> Response {
        struct Document: Encodable {
            struct Failure: Encodable {
                var code: String
                var text: String
                var hint: String?
            }
            var error: Failure
        }
        return try json(
            Document(error: .init(code: error.code, text: error.text, hint: error.hint)),
            status: error.status
        )
    }

    private static func make(_ bytes: [UInt8], type: String, status: HTTPResponse.Status) -> Response {
        Response(status: status, headers: [.contentType: type], body: .init(byteBuffer: ByteBuffer(bytes: bytes)))
    }
}
