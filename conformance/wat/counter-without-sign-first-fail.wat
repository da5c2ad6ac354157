(module
    (func $inner (result i32) (global.get 0))
    (func (export "run") (param i32) (result i32) (global.set 0 (local.get 0)) (call $inner))
    (func (export "get") (result i32) (global.get 0)))
