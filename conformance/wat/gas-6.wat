(module (func (export "f") (param i32) (block (br_if 0 (local.get 0)) nop nop nop) nop))
