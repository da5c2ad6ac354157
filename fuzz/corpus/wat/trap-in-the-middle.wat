;; A trap leaves gas and effects of its block as they are.
(module
  (memory (export "memory") 1)
  (global $g (export "g") (mut i32) (i32.const 0))
  (func (export "f") (param i32) (result i32)
    (global.set $g (i32.const 1))
    (i32.store (i32.const 0) (local.get 0))
    (global.set $g (i32.div_u (i32.const 100) (i32.and (local.get 0) (i32.const 3))))
    (i32.store (i32.const 4) (global.get $g))
    (global.get $g)))
