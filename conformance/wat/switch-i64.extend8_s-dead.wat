(module (memory 1) (table 1 funcref) (func (export "f") (result i32) (return (i32.const 42)) (drop (i64.extend8_s (i64.const 1))) unreachable))
