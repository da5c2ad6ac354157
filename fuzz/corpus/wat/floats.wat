;; NaNs on every way to where they can be seen.
(module
  (memory (export "memory") 1)
  (global $g (export "g") (mut f32) (f32.const 0))
  (func (export "f32") (param f32 f32) (result f32)
    (global.set $g (f32.div (local.get 0) (local.get 1)))
    (f32.store (i32.const 0) (f32.min (global.get $g) (local.get 1)))
    (i32.store (i32.const 4) (i32.reinterpret_f32 (f32.sqrt (local.get 0))))
    (f32.copysign (f32.mul (local.get 0) (local.get 1)) (local.get 1)))
  (func (export "f64") (param f64 f64) (result f64)
    (f64.store (i32.const 8) (f64.sub (local.get 0) (local.get 1)))
    (i64.store (i32.const 16) (i64.reinterpret_f64 (f64.nearest (local.get 0))))
    (f64.promote_f32 (f32.demote_f64 (f64.max (local.get 0) (local.get 1))))))
