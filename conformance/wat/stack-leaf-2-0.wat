(module (func (export "run") (local i32 i32)  ))
