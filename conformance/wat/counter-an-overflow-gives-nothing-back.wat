(module
            (func $f (export "run") (call $f))
            (func (export "get") (result i32) (global.get 0)))
