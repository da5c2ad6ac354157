(module (table 1 funcref) (elem (i32.const 2) func) (func (export "f") (result i32) (i32.const 3)))
