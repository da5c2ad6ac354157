;; Parameters are not counted, operands on the way to them are.
(module
  (func $f (export "f") (param i32 i64 f32 f64 i32 i64 f32 f64 i32 i64 f32 f64) (result f64)
    (if (i32.eqz (local.get 0)) (then (return (local.get 11))))
    (call $f (i32.shr_u (local.get 0) (i32.const 1)) (local.get 1) (local.get 2) (local.get 3)
      (local.get 4) (local.get 9) (local.get 6) (local.get 11) (local.get 8) (local.get 5) (local.get 10) (local.get 7))))
