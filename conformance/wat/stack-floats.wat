(module  (func $f (param $n i32) 
              (if (i32.eqz (local.get $n)) (then (return)))
              (f64.const 1) (f32.const 2) (f64.const 3) drop drop drop
              (call $f (i32.sub (local.get $n) (i32.const 1))))
              (func (export "run") (param i32) (call $f (local.get 0))))
