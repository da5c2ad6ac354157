(module (memory 1)
        (func $callee (i32.store (i32.const 4) (i32.const 1)))
        (func (export "run") (i32.store (i32.const 0) (i32.const 1)) (call $callee))
        (func (export "peek") (param i32) (result i32) (i32.load (local.get 0))))
