(module (memory 1) (table 1 funcref) (func (export "f") (result i32) (return (i32.const 42)) (i32.const 1) (if (param i32) (i32.const 0) (then drop) (else drop)) unreachable))
