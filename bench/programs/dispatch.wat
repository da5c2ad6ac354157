;; An interpreter's loop: br_table over instructions that memory holds.
(module
  (memory 1)
  (data (i32.const 0) "\00\01\02\03\04\02\01\05\00\06\02\07\01\04\03\00\05\06\07\01\02\03\00\04\05\01\06\02\07\03\00\01")
  (func (export "run") (result i64)
    (local $pc i32) (local $steps i32) (local $x i64) (local $y i64)
    (local.set $x (i64.const 1))
    (loop $next
      (block $done
        (block $7 (block $6 (block $5 (block $4 (block $3 (block $2 (block $1 (block $0
          (br_table $0 $1 $2 $3 $4 $5 $6 $7
            (i32.load8_u (i32.and (local.get $pc) (i32.const 31)))))
          ;; 0
          (local.set $x (i64.add (local.get $x) (i64.const 3)))
          (br $done))
          ;; 1
          (local.set $y (i64.add (local.get $y) (local.get $x)))
          (br $done))
          ;; 2
          (local.set $x (i64.xor (local.get $x) (local.get $y)))
          (br $done))
          ;; 3
          (local.set $y (i64.rotl (local.get $y) (i64.const 7)))
          (br $done))
          ;; 4
          (i64.store offset=64 (i32.wrap_i64 (i64.and (local.get $x) (i64.const 0xff8))) (local.get $y))
          (br $done))
          ;; 5
          (local.set $y (i64.load offset=64 (i32.wrap_i64 (i64.and (local.get $y) (i64.const 0xff8)))))
          (br $done))
          ;; 6
          (local.set $x (i64.mul (local.get $x) (i64.const 0x9e3779b97f4a7c15)))
          (br $done))
          ;; 7
          (local.set $pc (i32.add (local.get $pc) (i32.wrap_i64 (i64.and (local.get $x) (i64.const 3))))))
      (local.set $pc (i32.add (local.get $pc) (i32.const 1)))
      (br_if $next
        (i32.lt_u (local.tee $steps (i32.add (local.get $steps) (i32.const 1))) (i32.const 1000000))))
    (i64.xor (local.get $x) (local.get $y))))
