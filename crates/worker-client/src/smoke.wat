;; A validation function that does what the first byte of its block data says. The parent head must be empty, so this
;; byte is the third one of the encoded parameters.
(module
  (import "env" "ext_logging_log_version_1" (func $log (param i32 i64 i64)))
  (memory (export "memory") 1)
  (global (export "__heap_base") i32 (i32.const 2048))
  ;; A ValidationResult: the head data "pvf", nothing else.
  (data (i32.const 16) "\0cpvf\00\00\00\00\00\00\00\00\00\00\00")
  (data (i32.const 64) "pvf-smoke")
  (data (i32.const 128) "a line of the log of a candidate")
  (func (export "validate_block") (param $at i32) (param $bytes i32) (result i64)
    (local $script i32)
    (local.set $script (i32.load8_u offset=2 (local.get $at)))
    ;; "t": a trap.
    (if (i32.eq (local.get $script) (i32.const 0x74)) (then (unreachable)))
    ;; "e": endless.
    (if (i32.eq (local.get $script) (i32.const 0x65)) (then (loop (br 0))))
    ;; "l": a line of the log, as an error, so that no directive drops it.
    (if (i32.eq (local.get $script) (i32.const 0x6c)) (then
      (call $log (i32.const 0) (i64.const 0x900000040) (i64.const 0x2000000080))))
    ;; 15 bytes from 16 on.
    (i64.const 0xf00000010)))
