;; A switch that wasm-instrument knows only if it is built so.
(module
  (func (export "f") (param i32 i64) (result i64)
    (i64.add (i64.extend32_s (local.get 1))
      (i64.extend_i32_s (i32.add (i32.extend8_s (local.get 0)) (i32.extend16_s (local.get 0)))))))
