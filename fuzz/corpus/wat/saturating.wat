;; A switch that wasm-instrument does not know.
(module
  (func (export "f") (param f32 f64) (result i64)
    (i64.add (i64.trunc_sat_f64_u (local.get 1)) (i64.extend_i32_s (i32.trunc_sat_f32_s (local.get 0))))))
