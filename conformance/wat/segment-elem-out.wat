(module (table 1 funcref) (elem (i32.const 1) func $f) (func $f (export "f") (result i32) (i32.const 3)))
