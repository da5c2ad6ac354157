;; Byte stores and loads in two nested loops: primes below 400,000.
(module
  (memory 8)
  (func (export "run") (result i64)
    (local $i i32) (local $j i32) (local $count i64)
    (local.set $i (i32.const 2))
    (loop $clear
      (i32.store8 (local.get $i) (i32.const 1))
      (br_if $clear
        (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 400000))))
    (local.set $i (i32.const 2))
    (loop $numbers
      (block $composite
        (br_if $composite (i32.eqz (i32.load8_u (local.get $i))))
        (local.set $count (i64.add (local.get $count) (i64.const 1)))
        (br_if $composite (i32.gt_u (local.get $i) (i32.const 632)))
        (local.set $j (i32.mul (local.get $i) (local.get $i)))
        (loop $multiples
          (i32.store8 (local.get $j) (i32.const 0))
          (br_if $multiples
            (i32.lt_u (local.tee $j (i32.add (local.get $j) (local.get $i))) (i32.const 400000)))))
      (br_if $numbers
        (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 400000))))
    (local.get $count)))
