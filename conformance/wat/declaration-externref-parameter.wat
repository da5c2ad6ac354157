(module (func (param externref)) (func (export "f")))
