(module (memory 1) (table 1 funcref) (func (export "f") (result i32) (drop (i32.extend16_s (i32.const 1))) (i32.const 42)))
