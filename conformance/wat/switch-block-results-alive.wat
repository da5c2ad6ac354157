(module (memory 1) (table 1 funcref) (func (export "f") (result i32) (block (result i32 i32) (i32.const 1) (i32.const 2)) drop drop (i32.const 42)))
