(module (memory 1) (table 1 funcref) (func (export "f") (result i32) (i32.const 42)) (func (drop (i64.extend16_s (i64.const 1)))))
