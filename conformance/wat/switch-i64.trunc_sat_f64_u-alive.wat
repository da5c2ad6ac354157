(module (memory 1) (table 1 funcref) (func (export "f") (result i32) (drop (i64.trunc_sat_f64_u (f64.const 1))) (i32.const 42)))
