;; The start function is metered like a call and may be what ends it.
(module
  (memory (export "memory") 1)
  (global $g (export "g") (mut i32) (i32.const 0))
  (func $deep (param i32)
    (i32.store (i32.shl (local.get 0) (i32.const 2)) (local.get 0))
    (if (local.get 0) (then (call $deep (i32.sub (local.get 0) (i32.const 1))))))
  (func $start (call $deep (i32.const 20)) (global.set $g (i32.const 5)))
  (func (export "again") (call $start))
  (start $start))
