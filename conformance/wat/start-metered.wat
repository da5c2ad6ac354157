(module (start $s) (func $s (local i32)) (func (export "f") (result i64) (i64.const 1)) (func $unused nop nop nop ))
