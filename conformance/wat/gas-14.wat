(module (func (export "f") (param i32) (local i32) (if (local.get 0) (then (call $g))) (call $g)) (func $g (local i32 i32 i64 f64)))
