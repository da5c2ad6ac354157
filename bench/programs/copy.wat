;; A memcpy of words and bytes, as compilers without bulk memory emit it.
(module
  (memory 4)
  (func $copy (param $to i32) (param $from i32) (param $bytes i32)
    (block $done
      (loop $words
        (br_if $done (i32.lt_u (local.get $bytes) (i32.const 8)))
        (i64.store (local.get $to) (i64.load (local.get $from)))
        (local.set $to (i32.add (local.get $to) (i32.const 8)))
        (local.set $from (i32.add (local.get $from) (i32.const 8)))
        (local.set $bytes (i32.sub (local.get $bytes) (i32.const 8)))
        (br $words)))
    (block $end
      (loop $rest
        (br_if $end (i32.eqz (local.get $bytes)))
        (i32.store8 (local.get $to) (i32.load8_u (local.get $from)))
        (local.set $to (i32.add (local.get $to) (i32.const 1)))
        (local.set $from (i32.add (local.get $from) (i32.const 1)))
        (local.set $bytes (i32.sub (local.get $bytes) (i32.const 1)))
        (br $rest))))
  (func (export "run") (result i64)
    (local $i i32) (local $sum i64)
    (i64.store (i32.const 3) (i64.const 0x0102030405060708))
    (loop $copies
      (call $copy (i32.const 131072) (i32.const 3)
        (i32.add (i32.const 4000) (i32.and (local.get $i) (i32.const 7))))
      (call $copy (i32.const 9) (i32.const 131072) (i32.const 37))
      (local.set $sum (i64.add (local.get $sum) (i64.load (i32.const 131080))))
      (br_if $copies
        (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 2000))))
    (local.get $sum)))
