(module (global i64 (i64.const 7)) (global (mut i32) (i32.const 9))
            (func (export "run") (result i32) (i32.add (global.get 2) (global.get 1))))
