(module
            (func $fails unreachable)
            (func (export "fail") (call $fails))
            (func (export "get") (result i32) (global.get 0)))
