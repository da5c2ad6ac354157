(module (memory 1) (table 1 funcref) (func $g) (func (export "f") (result i32) (i32.const 42)) (data $d "x") (func (memory.init $d (i32.const 0) (i32.const 0) (i32.const 0))))
