(module (memory 1) (func (export "f") (drop (i64.load (i32.const -1)))))
