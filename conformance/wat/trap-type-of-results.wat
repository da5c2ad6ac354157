(module (table 1 funcref) (func $i (result i64) (i64.const 1)) (func (export "f") (call_indirect (result i32) (i32.const 0)) drop) (elem (i32.const 0) func $i))
