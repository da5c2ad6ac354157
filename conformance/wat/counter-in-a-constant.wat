(module (global i32 (global.get 1)) (func (export "f")))
