(module (func (export "f") (local i32) (drop (i32.div_u (i32.const 1) (local.get 0)))))
