(module (memory 1) (data (i32.const 65535) "\07") (data (i32.const 65534) "\08\09") (func (export "f") (result i32) (i32.load8_u (i32.const 65535))))
