;; A component for the world `thimble:runtime/function` (wit/thimble/function.wit), by hand: what a compiler with the SDK
;; of its language writes by itself.
;;
;; `handle` takes the event as JSON text and answers the result as JSON text: {"received": <event>}.
(component
  ;; Of all that the host offers, this component wants its log.
  (import "thimble:runtime/log@0.1.0" (instance $log
    (type $level' (enum "debug" "info" "warn" "error"))
    (export "level" (type $level (eq $level')))
    (export "write" (func (param "level" $level) (param "message" string)))))

  ;; The memory, in a module of its own: the host's functions are given it before the module that calls them exists.
  (core module $Memory
    (memory (export "memory") 1)
    ;; The first free byte. What an invocation allocates is given back at its end, all at once.
    (global $free (mut i32) (i32.const 1024))

    ;; Called by the host to put a string into the memory.
    (func (export "cabi_realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and
        (i32.add (global.get $free) (i32.sub (local.get $align) (i32.const 1)))
        (i32.sub (i32.const 0) (local.get $align))))
      (global.set $free (i32.add (local.get $at) (local.get $size)))
      (block $fits
        (br_if $fits (i32.le_u (global.get $free) (i32.mul (memory.size) (i32.const 65536))))
        (br_if $fits (i32.ne (i32.const -1)
          (memory.grow (i32.add (i32.div_u (local.get $size) (i32.const 65536)) (i32.const 1)))))
        unreachable)
      (if (local.get $old) (then (memory.copy (local.get $at) (local.get $old) (local.get $old_size))))
      (local.get $at))

    (func (export "release")
      (global.set $free (i32.const 1024))))
  (core instance $memory (instantiate $Memory))
  (alias core export $memory "memory" (core memory $bytes))
  (alias core export $memory "cabi_realloc" (core func $realloc))
  (core func $write (canon lower (func $log "write") (memory $bytes)))

  (core module $Main
    (import "host" "write" (func $write (param $level i32) (param $at i32) (param $length i32)))
    (import "memory" "memory" (memory 1))
    (import "memory" "cabi_realloc" (func $realloc (param i32 i32 i32 i32) (result i32)))
    (import "memory" "release" (func $release))
    (data (i32.const 16) "{\"received\":")
    (data (i32.const 32) "an event came")

    ;; The event's address and length in; the address of the result out: 0 for `ok`, then the text's address and length.
    (func (export "handle") (param $event i32) (param $length i32) (result i32)
      (local $text i32)
      (call $write (i32.const 1) (i32.const 32) (i32.const 13))
      (local.set $text
        (call $realloc (i32.const 0) (i32.const 0) (i32.const 1) (i32.add (local.get $length) (i32.const 13))))
      (memory.copy (local.get $text) (i32.const 16) (i32.const 12))
      (memory.copy (i32.add (local.get $text) (i32.const 12)) (local.get $event) (local.get $length))
      (i32.store8 (i32.add (local.get $text) (i32.add (local.get $length) (i32.const 12))) (i32.const 0x7d)) ;; }
      (i32.store (i32.const 0) (i32.const 0))
      (i32.store (i32.const 4) (local.get $text))
      (i32.store (i32.const 8) (i32.add (local.get $length) (i32.const 13)))
      (i32.const 0))

    ;; Called by the host when it has read the result.
    (func (export "handled") (param i32)
      (call $release)))
  (core instance $main (instantiate $Main
    (with "host" (instance (export "write" (func $write))))
    (with "memory" (instance $memory))))

  (func $handle (param "event" string) (result (result string (error string)))
    (canon lift (core func $main "handle")
      (memory $bytes) (realloc (core func $realloc)) (post-return (core func $main "handled"))))
  (instance $handler (export "handle" (func $handle)))
  (export "thimble:runtime/handler@0.1.0" (instance $handler)))
