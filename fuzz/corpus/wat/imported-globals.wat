;; The limiter's counter does not count these.
(module
  (import "host" "a" (global $a i32))
  (import "host" "b" (global $b i64))
  (global $own (export "own") (mut i64) (i64.const 1))
  (global $copy (export "copy") i32 (global.get $a))
  (func $f (export "f") (param i32) (result i64)
    (global.set $own (i64.xor (global.get $own) (global.get $b)))
    (if (result i64) (i32.and (local.get 0) (i32.const 7))
      (then (call $f (i32.sub (local.get 0) (i32.const 1))))
      (else (global.get $own)))))
