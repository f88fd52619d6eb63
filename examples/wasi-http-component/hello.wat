;; A handler for the standard world `wasi:http/proxy`, by hand: what a compiler with bindings for WASI 0.2 writes by itself.
;;
;; It answers every request with status 200 and a line of text that names the request's path. In another language:
;;
;;   handle(request, out):
;;     headers = Fields.from-list([("content-type", "text/plain; charset=utf-8")])
;;     response = OutgoingResponse(headers)
;;     body = response.body()
;;     out.set(response)                    -- the head is sent
;;     stream = body.write()
;;     stream.write("Hello from " + request.path-with-query() + "\n")
;;     body.finish()                        -- the body is complete
(component
  ;; ── What is imported, as WASI 0.2 declares it, without what is not used here ──────────────────────────────────────
  (import "wasi:io/error@0.2.0" (instance $io-error
    (export "error" (type (sub resource)))))
  (alias export $io-error "error" (type $error))

  (import "wasi:io/streams@0.2.0" (instance $streams
    (export "output-stream" (type $output-stream (sub resource)))
    (alias outer 1 $error (type $error'))
    (export "error" (type $error (eq $error')))
    (type $stream-error' (variant (case "last-operation-failed" (own $error)) (case "closed")))
    (export "stream-error" (type $stream-error (eq $stream-error')))
    (export "[method]output-stream.blocking-write-and-flush" (func
      (param "self" (borrow $output-stream)) (param "contents" (list u8))
      (result (result (error $stream-error)))))))
  (alias export $streams "output-stream" (type $output-stream))

  (import "wasi:http/types@0.2.0" (instance $http
    (alias outer 1 $output-stream (type $output-stream'))
    (export "output-stream" (type $output-stream (eq $output-stream')))
    (export "fields" (type $fields (sub resource)))
    (export "incoming-request" (type $incoming-request (sub resource)))
    (export "outgoing-response" (type $outgoing-response (sub resource)))
    (export "outgoing-body" (type $outgoing-body (sub resource)))
    (export "response-outparam" (type $response-outparam (sub resource)))

    (type $header-error' (variant (case "invalid-syntax") (case "forbidden") (case "immutable")))
    (export "header-error" (type $header-error (eq $header-error')))
    (type $DNS-error' (record (field "rcode" (option string)) (field "info-code" (option u16))))
    (export "DNS-error-payload" (type $DNS-error (eq $DNS-error')))
    (type $TLS-alert' (record (field "alert-id" (option u8)) (field "alert-message" (option string))))
    (export "TLS-alert-received-payload" (type $TLS-alert (eq $TLS-alert')))
    (type $field-size' (record (field "field-name" (option string)) (field "field-size" (option u32))))
    (export "field-size-payload" (type $field-size (eq $field-size')))
    (type $error-code' (variant
      (case "DNS-timeout") (case "DNS-error" $DNS-error)
      (case "destination-not-found") (case "destination-unavailable")
      (case "destination-IP-prohibited") (case "destination-IP-unroutable")
      (case "connection-refused") (case "connection-terminated") (case "connection-timeout")
      (case "connection-read-timeout") (case "connection-write-timeout") (case "connection-limit-reached")
      (case "TLS-protocol-error") (case "TLS-certificate-error") (case "TLS-alert-received" $TLS-alert)
      (case "HTTP-request-denied") (case "HTTP-request-length-required")
      (case "HTTP-request-body-size" (option u64)) (case "HTTP-request-method-invalid")
      (case "HTTP-request-URI-invalid") (case "HTTP-request-URI-too-long")
      (case "HTTP-request-header-section-size" (option u32))
      (case "HTTP-request-header-size" (option $field-size))
      (case "HTTP-request-trailer-section-size" (option u32))
      (case "HTTP-request-trailer-size" $field-size)
      (case "HTTP-response-incomplete") (case "HTTP-response-header-section-size" (option u32))
      (case "HTTP-response-header-size" $field-size) (case "HTTP-response-body-size" (option u64))
      (case "HTTP-response-trailer-section-size" (option u32))
      (case "HTTP-response-trailer-size" $field-size)
      (case "HTTP-response-transfer-coding" (option string))
      (case "HTTP-response-content-coding" (option string))
      (case "HTTP-response-timeout") (case "HTTP-upgrade-failed") (case "HTTP-protocol-error")
      (case "loop-detected") (case "configuration-error") (case "internal-error" (option string))))
    (export "error-code" (type $error-code (eq $error-code')))

    (export "[method]incoming-request.path-with-query" (func
      (param "self" (borrow $incoming-request)) (result (option string))))
    (export "[static]fields.from-list" (func
      (param "entries" (list (tuple string (list u8)))) (result (result (own $fields) (error $header-error)))))
    (export "[constructor]outgoing-response" (func
      (param "headers" (own $fields)) (result (own $outgoing-response))))
    (export "[method]outgoing-response.body" (func
      (param "self" (borrow $outgoing-response)) (result (result (own $outgoing-body)))))
    (export "[static]response-outparam.set" (func
      (param "param" (own $response-outparam))
      (param "response" (result (own $outgoing-response) (error $error-code)))))
    (export "[method]outgoing-body.write" (func
      (param "self" (borrow $outgoing-body)) (result (result (own $output-stream)))))
    (export "[static]outgoing-body.finish" (func
      (param "this" (own $outgoing-body)) (param "trailers" (option (own $fields)))
      (result (result (error $error-code)))))))
  (alias export $http "incoming-request" (type $incoming-request))
  (alias export $http "response-outparam" (type $response-outparam))

  ;; ── The memory, and the imports lowered to functions of numbers ───────────────────────────────────────────────────
  (core module $Memory
    (memory (export "memory") 1)
    ;; An instance serves one request, so the one string that the host puts here, the path, is not given back.
    (func (export "cabi_realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
      (if (i32.gt_u (local.get $size) (i32.const 32768)) (then unreachable))
      (i32.const 4096)))
  (core instance $memory (instantiate $Memory))
  (alias core export $memory "memory" (core memory $bytes))
  (alias core export $memory "cabi_realloc" (core func $realloc))

  (core func $path (canon lower (func $http "[method]incoming-request.path-with-query")
    (memory $bytes) (realloc $realloc)))
  (core func $fields (canon lower (func $http "[static]fields.from-list") (memory $bytes)))
  (core func $response (canon lower (func $http "[constructor]outgoing-response")))
  (core func $body (canon lower (func $http "[method]outgoing-response.body") (memory $bytes)))
  (core func $set (canon lower (func $http "[static]response-outparam.set") (memory $bytes)))
  (core func $stream (canon lower (func $http "[method]outgoing-body.write") (memory $bytes)))
  (core func $write (canon lower (func $streams "[method]output-stream.blocking-write-and-flush") (memory $bytes)))
  (core func $finish (canon lower (func $http "[static]outgoing-body.finish") (memory $bytes) (realloc $realloc)))
  (core func $drop-stream (canon resource.drop $output-stream))
  (core func $drop-request (canon resource.drop $incoming-request))

  ;; ── The handler ───────────────────────────────────────────────────────────────────────────────────────────────────
  (core module $Main
    (import "memory" "memory" (memory 1))
    ;; Resources are numbers. A function with more than one number to answer writes to the address in its last parameter.
    (import "http" "path" (func $path (param $request i32) (param $to i32)))
    (import "http" "fields" (func $fields (param $entries i32) (param $count i32) (param $to i32)))
    (import "http" "response" (func $response (param $headers i32) (result i32)))
    (import "http" "body" (func $body (param $response i32) (param $to i32)))
    ;; After the place for the answer: 0 for `ok`, the response, and six numbers that only an error would use.
    (import "http" "set" (func $set (param i32 i32 i32 i32 i64 i32 i32 i32 i32)))
    (import "http" "stream" (func $stream (param $body i32) (param $to i32)))
    (import "http" "write" (func $write (param $stream i32) (param $from i32) (param $length i32) (param $to i32)))
    (import "http" "finish" (func $finish (param $body i32) (param $has-trailers i32) (param $trailers i32) (param $to i32)))
    (import "http" "drop-stream" (func $drop-stream (param i32)))
    (import "http" "drop-request" (func $drop-request (param i32)))

    ;; 0 to 63: where answers are written.
    (data (i32.const 64) "content-type")
    (data (i32.const 80) "text/plain; charset=utf-8")
    (data (i32.const 112) "Hello from ")
    (data (i32.const 128) "\n")
    ;; The list of headers, one: the name's address and length, the value's address and length.
    (data (i32.const 144) "\40\00\00\00" "\0c\00\00\00" "\50\00\00\00" "\19\00\00\00")

    ;; What a `result` at address 0 holds; traps where it is an error, which ends the request with status 500.
    (func $ok (result i32)
      (if (i32.load8_u (i32.const 0)) (then unreachable))
      (i32.load (i32.const 4)))

    ;; Writes a text, in pieces of the 4,096 bytes that one call may have at most.
    (func $write-all (param $stream i32) (param $from i32) (param $length i32)
      (local $piece i32)
      (loop $more
        (local.set $piece (select (i32.const 4096) (local.get $length) (i32.gt_u (local.get $length) (i32.const 4096))))
        (call $write (local.get $stream) (local.get $from) (local.get $piece) (i32.const 0))
        (drop (call $ok))
        (local.set $from (i32.add (local.get $from) (local.get $piece)))
        (local.set $length (i32.sub (local.get $length) (local.get $piece)))
        (br_if $more (local.get $length))))

    (func (export "handle") (param $request i32) (param $out i32)
      (local $path i32) (local $length i32) (local $response i32) (local $body i32) (local $stream i32)
      (call $path (local.get $request) (i32.const 0))
      (if (i32.load8_u (i32.const 0))
        (then
          (local.set $path (i32.load (i32.const 4)))
          (local.set $length (i32.load (i32.const 8)))))
      (call $drop-request (local.get $request))

      (call $fields (i32.const 144) (i32.const 1) (i32.const 0))
      (local.set $response (call $response (call $ok)))
      (call $body (local.get $response) (i32.const 0))
      (local.set $body (call $ok))
      (call $set (local.get $out) (i32.const 0) (local.get $response)
        (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))

      (call $stream (local.get $body) (i32.const 0))
      (local.set $stream (call $ok))
      (call $write-all (local.get $stream) (i32.const 112) (i32.const 11))
      (if (local.get $length)
        (then (call $write-all (local.get $stream) (local.get $path) (local.get $length))))
      (call $write-all (local.get $stream) (i32.const 128) (i32.const 1))
      ;; The stream belongs to the body and has to go first.
      (call $drop-stream (local.get $stream))
      (call $finish (local.get $body) (i32.const 0) (i32.const 0) (i32.const 0))
      (drop (call $ok))))
  (core instance $main (instantiate $Main
    (with "memory" (instance $memory))
    (with "http" (instance
      (export "path" (func $path))
      (export "fields" (func $fields))
      (export "response" (func $response))
      (export "body" (func $body))
      (export "set" (func $set))
      (export "stream" (func $stream))
      (export "write" (func $write))
      (export "finish" (func $finish))
      (export "drop-stream" (func $drop-stream))
      (export "drop-request" (func $drop-request))))))

  (func $handle (param "request" (own $incoming-request)) (param "response-out" (own $response-outparam))
    (canon lift (core func $main "handle")))
  (instance $handler (export "handle" (func $handle)))
  (export "wasi:http/incoming-handler@0.2.0" (instance $handler)))
