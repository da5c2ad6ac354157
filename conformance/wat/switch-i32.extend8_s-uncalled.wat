(module (memory 1) (table 1 funcref) (func (export "f") (result i32) (i32.const 42)) (func (drop (i32.extend8_s (i32.const 1)))))
