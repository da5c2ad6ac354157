(module (memory 1) (table 1 funcref) (func $g) (func (export "f") (result i32) (i32.const 42)) (data $d "x") (func (data.drop $d)))
