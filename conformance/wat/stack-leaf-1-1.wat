(module (func (export "run") (local i32) (i32.const 7)  drop ))
