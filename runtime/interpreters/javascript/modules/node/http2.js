// `http2`: its shape, for packages that ask for it beside `http`. The host speaks HTTP/2 where the other side does.
"use strict";
const { refuse, notSupported } = require("thimble:node-errors");
const client = "use fetch or https.request";
const server = "a function is called by the server: use `export default { fetch(request) { … } }`, or a handler of (event, context)";
class Http2ServerRequest {
  constructor() { throw notSupported("http2.Http2ServerRequest", server); }
}
class Http2ServerResponse {
  constructor() { throw notSupported("http2.Http2ServerResponse", server); }
}
module.exports = {
  Http2ServerRequest, Http2ServerResponse,
  connect: refuse("http2.connect", client),
  createServer: refuse("http2.createServer", server),
  createSecureServer: refuse("http2.createSecureServer", server),
  getDefaultSettings: () => ({ headerTableSize: 4096, enablePush: true, initialWindowSize: 65535, maxFrameSize: 16384, maxConcurrentStreams: 4294967295, maxHeaderListSize: 65535, enableConnectProtocol: false }),
  sensitiveHeaders: Symbol("nodejs.http2.sensitiveHeaders"),
  constants: {
    NGHTTP2_NO_ERROR: 0, NGHTTP2_PROTOCOL_ERROR: 1, NGHTTP2_INTERNAL_ERROR: 2, NGHTTP2_FLOW_CONTROL_ERROR: 3, NGHTTP2_SETTINGS_TIMEOUT: 4, NGHTTP2_STREAM_CLOSED: 5,
    NGHTTP2_FRAME_SIZE_ERROR: 6, NGHTTP2_REFUSED_STREAM: 7, NGHTTP2_CANCEL: 8, NGHTTP2_COMPRESSION_ERROR: 9, NGHTTP2_CONNECT_ERROR: 10, NGHTTP2_ENHANCE_YOUR_CALM: 11,
    NGHTTP2_INADEQUATE_SECURITY: 12, NGHTTP2_HTTP_1_1_REQUIRED: 13,
    HTTP2_HEADER_STATUS: ":status", HTTP2_HEADER_METHOD: ":method", HTTP2_HEADER_AUTHORITY: ":authority", HTTP2_HEADER_SCHEME: ":scheme", HTTP2_HEADER_PATH: ":path",
    HTTP2_HEADER_PROTOCOL: ":protocol", HTTP2_HEADER_ACCEPT: "accept", HTTP2_HEADER_AUTHORIZATION: "authorization", HTTP2_HEADER_CONTENT_TYPE: "content-type",
    HTTP2_HEADER_CONTENT_LENGTH: "content-length", HTTP2_HEADER_COOKIE: "cookie", HTTP2_HEADER_TE: "te", HTTP2_HEADER_USER_AGENT: "user-agent",
    HTTP2_METHOD_GET: "GET", HTTP2_METHOD_POST: "POST", HTTP2_METHOD_PUT: "PUT", HTTP2_METHOD_DELETE: "DELETE", HTTP2_METHOD_HEAD: "HEAD",
    HTTP_STATUS_OK: 200, HTTP_STATUS_NO_CONTENT: 204, HTTP_STATUS_NOT_FOUND: 404,
  },
};
