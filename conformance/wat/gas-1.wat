(module (func (export "f") nop nop (drop (i32.const 1))))
