(module (import "host" "never" (func $never)) (table 1 funcref) (elem (i32.const 0) func $never) (func (export "f") (call_indirect (i32.const 0))))
