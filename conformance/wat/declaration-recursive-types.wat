(module (rec (type (func)) (type (func))) (func (export "f")))
