;; A select between the result of an operation, whose NaN has to become the canonical one, and bits
;; that have to stay as they are.
(module
  (func (export "select") (param f64 i64 i32) (result i64)
    (i64.reinterpret_f64
      (select
        (f64.add (local.get 0) (f64.const 1))
        (f64.reinterpret_i64 (local.get 1))
        (local.get 2))))
  (func (export "fused") (param f64 i64 i32) (result i64)
    (i64.reinterpret_f64
      (select
        (f64.reinterpret_i64 (local.get 1))
        (f64.add (local.get 0) (f64.const 1))
        (i32.eqz (local.get 2))))))
(assert_return (invoke "select" (f64.const -nan:0x123) (i64.const -1) (i32.const 1)) (i64.const 0x7ff8000000000000))
(assert_return (invoke "select" (f64.const -nan:0x123) (i64.const -1) (i32.const 0)) (i64.const -1))
(assert_return (invoke "fused" (f64.const -nan:0x123) (i64.const -1) (i32.const 1)) (i64.const 0x7ff8000000000000))
(assert_return (invoke "fused" (f64.const -nan:0x123) (i64.const -1) (i32.const 0)) (i64.const -1))
