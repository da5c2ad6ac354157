;; More locals than registers, all alive around a loop.
(module
  (func (export "f") (param i64) (result i64)
    (local $a i64) (local $b i64) (local $c i64) (local $d i64) (local $e i64) (local $f i64) (local $g i64) (local $h i64)
    (local $i i64) (local $j i64) (local $k i64) (local $l i64) (local $m i64) (local $n i64) (local $o i64) (local $p i64) (local $turn i32)
    (local.set $a (local.get 0))
    (loop $again
      (local.set $p (i64.add (local.get $o) (local.get $a))) (local.set $o (i64.xor (local.get $n) (local.get $b)))
      (local.set $n (i64.rotl (local.get $m) (i64.const 3))) (local.set $m (i64.sub (local.get $l) (local.get $c)))
      (local.set $l (i64.mul (local.get $k) (i64.const 5))) (local.set $k (i64.add (local.get $j) (local.get $d)))
      (local.set $j (i64.or (local.get $i) (local.get $e))) (local.set $i (i64.add (local.get $h) (i64.const 1)))
      (local.set $h (i64.and (local.get $g) (local.get $a))) (local.set $g (i64.add (local.get $f) (local.get $p)))
      (local.set $f (i64.xor (local.get $e) (local.get $o))) (local.set $e (i64.add (local.get $d) (i64.const 7)))
      (local.set $d (i64.shr_u (local.get $c) (i64.const 1))) (local.set $c (i64.add (local.get $b) (local.get $a)))
      (local.set $b (i64.add (local.get $a) (i64.const 3))) (local.set $a (i64.mul (local.get $p) (i64.const 11)))
      (br_if $again (i32.lt_u (local.tee $turn (i32.add (local.get $turn) (i32.const 1))) (i32.const 40))))
    (i64.add (local.get $a) (i64.add (local.get $h) (local.get $p)))))
