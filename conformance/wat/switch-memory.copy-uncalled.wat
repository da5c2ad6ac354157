(module (memory 1) (table 1 funcref) (func (export "f") (result i32) (i32.const 42)) (func (memory.copy (i32.const 0) (i32.const 0) (i32.const 0))))
