(module  (func $f (param $n i32) 
              (if (i32.eqz (local.get $n)) (then (return)))
              (i32.const 1) (i32.const 2) (i32.const 3) (i32.const 0)
         (if (param i32 i32 i32) (result i32 i32 i32) (then (i32.const 7) (i32.const 7) (i32.const 7) (i32.const 7) (i32.const 7)  drop drop drop drop drop ) (else )) drop drop drop
              (call $f (i32.sub (local.get $n) (i32.const 1))))
              (func (export "run") (param i32) (call $f (local.get 0))))
