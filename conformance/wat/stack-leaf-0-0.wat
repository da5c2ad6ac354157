(module (func (export "run") (local)  ))
