(module (func (local funcref)) (func (export "f")))
