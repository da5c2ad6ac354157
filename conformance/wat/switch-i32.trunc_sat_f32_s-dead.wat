(module (memory 1) (table 1 funcref) (func (export "f") (result i32) (return (i32.const 42)) (drop (i32.trunc_sat_f32_s (f32.const 1))) unreachable))
