(module (func (export "run") (param i32) (block unreachable (i32.const 1) select drop drop)))
