(module (tag) (func (export "f")))
