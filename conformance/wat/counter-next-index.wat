(module (func (export "f") (drop (global.get 1))))
