(module (memory 1) (global $g (mut i32) (i32.const 1)) (data (i32.const 3) "\2a") (start $s) (func $s (global.set $g (i32.load8_u (i32.const 3)))) (func (export "f") (result i32) (global.get $g)))
