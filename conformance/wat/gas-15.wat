(module (func $r (export "f") (param i32) (result i32) (if (i32.eqz (local.get 0)) (then (return (i32.const 1)))) (i32.mul (local.get 0) (call $r (i32.sub (local.get 0) (i32.const 1))))))
