(module (type $t (func (param i32))) (table 1 funcref) (elem (i32.const 0) func $f) (func $f (param $n i32)
              (if (i32.eqz (local.get $n)) (then (return)))
              (call_indirect (type $t) (i32.sub (local.get $n) (i32.const 1)) (i32.const 0)))
              (func (export "run") (param i32) (call $f (local.get 0))))
