;; Nothing but calls of a host function.
(module
  (import "env" "next" (func $next (param i64) (result i64)))
  (func (export "run") (result i64)
    (local $i i32) (local $x i64)
    (loop $calls
      (local.set $x (call $next (local.get $x)))
      (br_if $calls
        (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 100000))))
    (local.get $x)))
