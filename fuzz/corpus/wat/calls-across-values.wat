;; Values alive in locals and operands across calls.
(module
  (func $swap (param i32 i64) (result i64) (i64.add (i64.extend_i32_u (local.get 0)) (local.get 1)))
  (func (export "f") (param i32 i64 f32 f64) (result f64) (local i64)
    (f64.add
      (f64.add (local.get 3) (f64.promote_f32 (local.get 2)))
      (f64.convert_i64_s (i64.xor
        (local.tee 4 (call $swap (local.get 0) (local.get 1)))
        (call $swap (i32.wrap_i64 (local.get 4)) (i64.rotl (local.get 1) (i64.const 9))))))))
