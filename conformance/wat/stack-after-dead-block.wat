(module  (func $f (param $n i32) 
              (if (i32.eqz (local.get $n)) (then (return)))
              (block (br 0) (i32.const 7) (i32.const 7) (i32.const 7) (i32.const 7) (i32.const 7) (i32.const 7) (i32.const 7) (i32.const 7) (i32.const 7)  drop drop drop drop drop drop drop drop drop ) (i32.const 7) (i32.const 7) (i32.const 7) (i32.const 7)  drop drop drop drop 
              (call $f (i32.sub (local.get $n) (i32.const 1))))
              (func (export "run") (param i32) (call $f (local.get 0))))
