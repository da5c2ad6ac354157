(module
          (func $even (param $n i32) (local i32 i64 f64)
            (if (i32.eqz (local.get $n)) (then (return)))
            (call $odd (i32.sub (local.get $n) (i32.const 1))))
          (func $odd (param $n i32)
            (if (i32.eqz (local.get $n)) (then (return)))
            (i32.const 7) (i32.const 7) (i32.const 7) (i32.const 7) (i32.const 7) (i32.const 7) (i32.const 7)  drop drop drop drop drop drop drop 
            (call $even (i32.sub (local.get $n) (i32.const 1))))
          (func (export "run") (param i32) (call $even (local.get 0))))
