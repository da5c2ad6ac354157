(module (global $z (mut i32) (i32.const 0)) (func (export "f") (block (drop (i32.div_s (i32.const 1) (global.get $z))) nop) nop nop))
