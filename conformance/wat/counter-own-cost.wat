(module (func (export "run") (result i32) (local i64 i64) (global.get 0)))
