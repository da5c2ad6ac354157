(module (memory 1) (func (export "f") nop (drop (i32.load (i32.const -1))) nop nop nop))
