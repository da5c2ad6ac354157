(module (memory 1) (table 1 funcref) (elem (i32.const 9) func $f) (data (i32.const -1) "x") (func $f (export "f") (result i32) (i32.const 3)))
