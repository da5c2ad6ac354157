;; As deep as its argument says: overflows, or not, by one unit.
(module
  (global (export "turns") (mut i32) (i32.const 0))
  (func $down (export "down") (param i32)
    (global.set 0 (i32.add (global.get 0) (i32.const 1)))
    (br_if 0 (i32.eqz (local.get 0)))
    (call $down (i32.sub (local.get 0) (i32.const 1)))))
