;; A state machine: a loop around a table.
(module
  (memory (export "memory") 1)
  (func (export "run") (param $state i32) (param $steps i32) (result i32)
    (local.set $steps (i32.and (local.get $steps) (i32.const 0xff)))
    (block $out
      (loop $next
        (br_if $out (i32.eqz (local.get $steps)))
        (local.set $steps (i32.sub (local.get $steps) (i32.const 1)))
        (block $c (block $b (block $a
          (br_table $a $b $c $out (i32.and (local.get $state) (i32.const 3))))
          (local.set $state (i32.add (local.get $state) (i32.const 5)))
          (br $next))
          (i32.store8 (local.get $steps) (local.get $state))
          (local.set $state (i32.mul (local.get $state) (i32.const 7)))
          (br $next))
        (local.set $state (i32.shr_u (local.get $state) (i32.const 1)))
        (br $next)))
    (local.get $state)))
