;; Several results, parameters of blocks.
(module
  (func $divide (export "divide") (param i32 i32) (result i32 i32)
    (i32.div_u (local.get 0) (local.get 1)) (i32.rem_u (local.get 0) (local.get 1)))
  (func $gcd (export "gcd") (param i32 i32) (result i32)
    (local.get 0) (local.get 1)
    (loop $again (param i32 i32) (result i32)
      (local.set 1) (local.set 0)
      (if (result i32) (i32.eqz (local.get 1))
        (then (local.get 0))
        (else (local.get 1) (call $divide (local.get 0) (local.get 1)) (local.set 0) drop (local.get 0) (br $again))))))
