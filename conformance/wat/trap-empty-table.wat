(module (table 0 funcref) (func (export "f") (call_indirect (i32.const 0))))
