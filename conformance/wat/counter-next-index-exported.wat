(module (export "g" (global 1)) (func (export "f")))
