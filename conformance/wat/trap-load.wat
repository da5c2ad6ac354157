(module (memory 1) (func (export "f") (drop (i32.load (i32.const 65533)))))
