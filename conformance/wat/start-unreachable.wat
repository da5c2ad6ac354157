(module (start $s) (func $s unreachable) (func (export "f") (result i32) (i32.const 1)))
