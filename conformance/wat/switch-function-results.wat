(module (memory 1) (table 1 funcref) (func $g) (func (export "f") (result i32) (i32.const 42)) (func (result i32 i32) (i32.const 1) (i32.const 1)))
