(module (memory 1 2) (func (export "f") (param i32) (result i32) nop (memory.grow (local.get 0))))
