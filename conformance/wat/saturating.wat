(module
  (func (export "i32-s") (param i64) (result i32) (i32.trunc_sat_f64_s (f64.reinterpret_i64 (local.get 0))))
  (func (export "i32-u") (param i64) (result i32) (i32.trunc_sat_f64_u (f64.reinterpret_i64 (local.get 0))))
  (func (export "i64-s") (param i64) (result i64) (i64.trunc_sat_f64_s (f64.reinterpret_i64 (local.get 0))))
  (func (export "i64-u") (param i64) (result i64) (i64.trunc_sat_f64_u (f64.reinterpret_i64 (local.get 0))))
)
