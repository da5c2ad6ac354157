;; Through the table: the limiter charges in thunks.
(module
  (type $f (func (param i32) (result i32)))
  (table 4 funcref)
  (elem (i32.const 0) $a $b $a)
  (func $a (export "a") (type $f)
    (if (result i32) (local.get 0)
      (then (call_indirect (type $f) (i32.sub (local.get 0) (i32.const 1)) (i32.and (local.get 0) (i32.const 1))))
      (else (i32.const 7))))
  (func $b (export "b") (type $f) (local i64 i64)
    (call_indirect (type $f) (i32.shr_u (local.get 0) (i32.const 1)) (i32.and (local.get 0) (i32.const 3)))))
