(module (memory 1) (data (i32.sub (i32.const 2) (i32.const 1)) "x") (func (export "f")))
