(module (func (export "f") nop nop unreachable))
