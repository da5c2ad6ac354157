(module (global $z (mut i32) (i32.const 0)) (start $s) (func $s (drop (i32.div_s (i32.const 1) (global.get $z)))) (func (export "f") (result i32) (i32.const 1)))
