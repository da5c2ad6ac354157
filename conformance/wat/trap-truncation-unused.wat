(module (func (export "f") (local f64) (local.set 0 (f64.const 1e300)) (drop (i32.trunc_f64_s (local.get 0)))))
