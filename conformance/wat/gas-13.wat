(module (func (export "f") (call $g)) (func $g (local i32 i32 i64 f64)))
