(module  (func $f (param $n i32) (local i32 i32 i32)
              (if (i32.eqz (local.get $n)) (then (return)))
              
              (call $f (i32.sub (local.get $n) (i32.const 1))))
              (func (export "run") (param i32) (call $f (local.get 0))))
