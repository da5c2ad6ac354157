(module (memory 1) (table 1 funcref) (func (export "f") (result i32) (return (i32.const 42)) (memory.fill (i32.const 0) (i32.const 0) (i32.const 0)) unreachable))
