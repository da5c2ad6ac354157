(module (global i64 (i64.const 1)) (global f32 (f32.const 1)) (global $g i32 (i32.const 6)) (func (export "f") (result i32) (global.get $g)))
