(module (memory 1) (table 1 funcref) (func (export "f") (result i32) (i32.const 42)) (func (i32.const 1) (loop (param i32) drop)))
