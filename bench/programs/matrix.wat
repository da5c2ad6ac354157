;; f64 matrix multiplication, 80 by 80.
(module
  (memory 3)
  (func (export "run") (result i64)
    (local $i i32) (local $j i32) (local $k i32) (local $sum f64)
    (loop $fill
      (f64.store (i32.shl (local.get $i) (i32.const 3))
        (f64.div (f64.convert_i32_u (i32.rem_u (local.get $i) (i32.const 97))) (f64.const 7)))
      (br_if $fill (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 12800))))
    (local.set $i (i32.const 0))
    (loop $rows
      (local.set $j (i32.const 0))
      (loop $columns
        (local.set $k (i32.const 0))
        (local.set $sum (f64.const 0))
        (loop $products
          (local.set $sum
            (f64.add (local.get $sum)
              (f64.mul
                (f64.load (i32.shl (i32.add (i32.mul (local.get $i) (i32.const 80)) (local.get $k)) (i32.const 3)))
                (f64.load offset=51200
                  (i32.shl (i32.add (i32.mul (local.get $k) (i32.const 80)) (local.get $j)) (i32.const 3))))))
          (br_if $products
            (i32.lt_u (local.tee $k (i32.add (local.get $k) (i32.const 1))) (i32.const 80))))
        (f64.store offset=102400
          (i32.shl (i32.add (i32.mul (local.get $i) (i32.const 80)) (local.get $j)) (i32.const 3))
          (local.get $sum))
        (br_if $columns
          (i32.lt_u (local.tee $j (i32.add (local.get $j) (i32.const 1))) (i32.const 80))))
      (br_if $rows
        (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 80))))
    (i64.reinterpret_f64 (f64.load offset=102400 (i32.const 51192)))))
