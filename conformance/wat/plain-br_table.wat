(module (func (export "f") (result i32) (block (block (block (br_table 0 1 2 (i32.const 1)))) (return (i32.const 8))) (i32.const 9)))
