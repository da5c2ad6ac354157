(module (memory 1) (data (i32.const 65535) "\07") (func (export "f") (result i32) (i32.load8_u (i32.const 65535))))
