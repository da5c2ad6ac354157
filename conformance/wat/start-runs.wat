(module (global $g (mut i32) (i32.const 1)) (start $s) (func $s (global.set $g (i32.const 5))) (func (export "f") (result i32) (global.get $g)))
