(module (table 1 funcref) (func $f (export "f") (call_indirect (result i32) (i32.const 0)) drop) (elem (i32.const 0) func $f))
