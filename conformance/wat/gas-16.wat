(module (table 1 funcref) (elem (i32.const 0) func $g) (func $g (local i32)) (func (export "f") (call_indirect (i32.const 0)) nop))
