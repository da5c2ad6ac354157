(module (memory 1) (func (export "f") (result i32) (i32.load (i32.const 100)) (i32.store (i32.const 100) (i32.const 77))))
