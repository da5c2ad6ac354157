(module (func (export "run") (local i32)  ))
