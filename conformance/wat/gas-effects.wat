(module (memory 1) (func (export "f") (i32.store8 (i32.const 0) (i32.const 1))
        (if (i32.load8_u (i32.const 0)) (then (i32.store8 (i32.const 1) (i32.const 1)) nop nop nop nop nop nop nop nop))))
