(module (func (export "f") (drop (i64.eqz (global.get 0)))))
