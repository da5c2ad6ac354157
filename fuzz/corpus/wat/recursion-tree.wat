;; Depth and number of calls are unlike.
(module
  (func $fibonacci (export "fibonacci") (param i32) (result i32)
    (if (result i32) (i32.lt_u (i32.and (local.get 0) (i32.const 15)) (i32.const 2))
      (then (i32.and (local.get 0) (i32.const 15)))
      (else (i32.add
        (call $fibonacci (i32.sub (i32.and (local.get 0) (i32.const 15)) (i32.const 1)))
        (call $fibonacci (i32.sub (i32.and (local.get 0) (i32.const 15)) (i32.const 2))))))))
