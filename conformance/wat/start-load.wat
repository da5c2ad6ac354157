(module (memory 0) (start $s) (func $s (drop (i32.load (i32.const 0)))) (func (export "f") (result i32) (i32.const 1)))
