;; Indirect calls through a table of four functions.
(module
  (type $step (func (param i64 i64) (result i64)))
  (table 4 4 funcref)
  (elem (i32.const 0) $add $xor $rotate $multiply)
  (func $add (type $step) (i64.add (local.get 0) (local.get 1)))
  (func $xor (type $step) (i64.xor (local.get 0) (local.get 1)))
  (func $rotate (type $step) (i64.rotl (local.get 0) (local.get 1)))
  (func $multiply (type $step) (i64.mul (local.get 0) (i64.or (local.get 1) (i64.const 1))))
  (func (export "run") (result i64)
    (local $i i64) (local $x i64)
    (local.set $x (i64.const 0x123456789))
    (loop $calls
      (local.set $x
        (call_indirect (type $step) (local.get $x) (local.get $i)
          (i32.and (i32.wrap_i64 (local.get $i)) (i32.const 3))))
      (br_if $calls
        (i64.lt_u (local.tee $i (i64.add (local.get $i) (i64.const 1))) (i64.const 600000))))
    (local.get $x)))
