;; Quotients and remainders, by constants and not.
(module
  (func (export "i32") (param i32 i32) (result i32)
    (i32.add (i32.div_s (local.get 0) (i32.or (local.get 1) (i32.const 1)))
      (i32.rem_u (i32.div_u (local.get 0) (i32.const 7)) (i32.const 10))))
  (func (export "i64") (param i64 i64) (result i64)
    (i64.add (i64.rem_s (local.get 0) (local.get 1))
      (i64.mul (i64.div_s (local.get 0) (i64.const -3)) (i64.rem_u (local.get 1) (i64.const 1000000007))))))
