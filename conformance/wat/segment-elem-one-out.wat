(module (table 1 funcref) (elem (i32.const 0) func $f $f) (func $f (export "f") (result i32) (i32.const 3)))
