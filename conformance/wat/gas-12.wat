(module (func (export "f") (block (block (block (block)))) (loop)))
