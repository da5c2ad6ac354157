(module (memory 1) (table 1 funcref) (func (export "f") (result i32) (return (i32.const 42)) (block (result i32 i32) (i32.const 1) (i32.const 2)) drop drop unreachable))
