;; A command for WASI preview 1, as most compilers produce one: a core module that exports `_start`.
;;
;; The parameters are on standard input, as JSON. What is written to standard output is the result; what is written to
;; standard error is log. This one hands back what it got: {"received": <parameters>}.
(module
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))

  (memory (export "memory") 1)
  ;; 0: a piece of memory to read into or write from (address, length). 8: how much of it was read or written.
  (data (i32.const 16) "{\"received\": ")
  (data (i32.const 32) "}")
  (data (i32.const 48) "the parameters are handed back\n")
  ;; 1024: what was read, up to 4 KiB at a time.

  ;; Writes all of a piece of memory; ends the command with exit code 1 where that fails.
  (func $write (param $to i32) (param $from i32) (param $length i32)
    (loop $more
      (i32.store (i32.const 0) (local.get $from))
      (i32.store (i32.const 4) (local.get $length))
      (if (call $fd_write (local.get $to) (i32.const 0) (i32.const 1) (i32.const 8))
        (then (call $proc_exit (i32.const 1))))
      (local.set $from (i32.add (local.get $from) (i32.load (i32.const 8))))
      (local.set $length (i32.sub (local.get $length) (i32.load (i32.const 8))))
      (br_if $more (local.get $length))))

  (func (export "_start")
    (call $write (i32.const 2) (i32.const 48) (i32.const 31))
    (call $write (i32.const 1) (i32.const 16) (i32.const 13))
    (block $end
      (loop $more
        (i32.store (i32.const 0) (i32.const 1024))
        (i32.store (i32.const 4) (i32.const 4096))
        (if (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8))
          (then (call $proc_exit (i32.const 1))))
        (br_if $end (i32.eqz (i32.load (i32.const 8))))
        (call $write (i32.const 1) (i32.const 1024) (i32.load (i32.const 8)))
        (br $more)))
    (call $write (i32.const 1) (i32.const 32) (i32.const 1))))
