;; Only a limit ends it; what it wrote until then is seen.
(module
  (memory (export "memory") 1)
  (global $depth (export "depth") (mut i32) (i32.const 0))
  (func $f (export "f") (param i32) (result i32) (local i64 f64)
    (i32.store (i32.shl (i32.and (global.get $depth) (i32.const 0xfff)) (i32.const 2)) (local.get 0))
    (global.set $depth (i32.add (global.get $depth) (i32.const 1)))
    (i32.add (i32.const 1) (call $f (i32.mul (local.get 0) (i32.const 3))))))
