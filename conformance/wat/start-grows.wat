(module (memory 1 3) (start $s) (func $s (drop (memory.grow (i32.const 1)))) (func (export "f") (result i32) (memory.size)))
