;; The smallest parachain there can be, written by hand: whatever the parameters, the head becomes
;; "constant" and nothing else happens. Its memory is its own, not imported.
(module
  (memory (export "memory") 1)
  (global (export "__heap_base") i32 (i32.const 1024))

  ;; The SCALE-encoded ValidationResult: head data, no new code, no messages up or across,
  ;; 0 messages processed, watermark 19,000,004.
  (data (i32.const 16)
    "\20constant"
    "\00" "\00" "\00"
    "\00\00\00\00"
    "\c4\ea\21\01")

  ;; A pointer and a length in, `length << 32 | pointer` out.
  (func (export "validate_block") (param $pointer i32) (param $length i32) (result i64)
    (i64.or
      (i64.shl (i64.const 20) (i64.const 32))
      (i64.const 16))))
