(module (memory 1) (func (export "f") (param i32) (result i32) nop (memory.grow (local.get 0))))
