(module (func (export "f") (block (br 0) nop nop nop nop) nop))
