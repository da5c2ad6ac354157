(module (memory 1) (table 1 funcref) (func (export "f") (result i32) (return (i32.const 42)) (i32.const 1) (block (param i32) drop) unreachable))
