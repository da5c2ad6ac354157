(module  (func $f (param $n i32) 
              (if (i32.eqz (local.get $n)) (then (return)))
              (if (result i32 i32) (i32.const 0) (then return)
                (else (i32.const 7) (i32.const 7) (i32.const 7) (i32.const 7) (i32.const 7) (i32.const 7)  drop drop drop drop drop drop  (i32.const 1) (i32.const 1))) drop drop
              (call $f (i32.sub (local.get $n) (i32.const 1))))
              (func (export "run") (param i32) (call $f (local.get 0))))
