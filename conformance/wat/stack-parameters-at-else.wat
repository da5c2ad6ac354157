(module (func (export "run") (param i32) (result i32)
            (i32.const 1) (i32.const 2) (local.get 0)
            (if (param i32 i32) (result i32) (then i32.add) (else drop drop (i32.const 7)))))
