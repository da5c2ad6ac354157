(module (start $s) (func $s nop nop) (func (export "f") nop))
