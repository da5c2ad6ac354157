;; Inner loops of a length that the outer ones give.
(module
  (global (export "sum") (mut i64) (i64.const 0))
  (func (export "f") (param $n i32) (local $i i32) (local $j i32)
    (local.set $n (i32.and (local.get $n) (i32.const 63)))
    (loop $outer
      (local.set $j (i32.const 0))
      (loop $inner
        (global.set 0 (i64.add (global.get 0) (i64.extend_i32_u (i32.mul (local.get $i) (local.get $j)))))
        (local.set $j (i32.add (local.get $j) (i32.const 1)))
        (br_if $inner (i32.lt_u (local.get $j) (local.get $i))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $outer (i32.lt_u (local.get $i) (local.get $n))))))
