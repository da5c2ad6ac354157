(module (table 1 funcref) (func $f (export "f") (call_indirect (i32.const 1))) (elem (i32.const 0) func $f))
