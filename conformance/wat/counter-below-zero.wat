(module
    (func (export "get") (result i32) (global.get 0))
    (func (export "set") (param i32) (global.set 0 (local.get 0))))
