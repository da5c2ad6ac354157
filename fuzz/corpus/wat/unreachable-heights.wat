;; Where the limiter counts what nothing reaches, and where it does not.
(module
  (func $a (result i32)
    (block (result i32) (br 0 (i32.const 1)) (i32.const 1) (i32.const 2) (i32.const 3) drop drop))
  (func $b (result i32)
    unreachable
    (block (result i32) (i32.const 1) (i32.const 2) (i32.const 3) drop drop))
  (func (export "f") (param i32) (result i32)
    (if (result i32) (local.get 0) (then (call $a)) (else (call $b)))))
