;; Rotations as two shifts; operations on constants.
(module
  (func $rotations (param $x i32) (param $y i64) (result i64)
    local.get $x  i32.const 7  i32.shl  local.get $x  i32.const 25  i32.shr_u  i32.or
    local.get $x  i32.const 6  i32.shr_u  local.get $x  i32.const 26  i32.shl  i32.or
    i32.xor
    ;; Not a rotation: the counts do not add up.
    local.get $x  i32.const 7  i32.shl  local.get $x  i32.const 24  i32.shr_u  i32.or
    i32.xor
    i64.extend_i32_u
    local.get $y  i64.const 14  i64.shr_u  local.get $y  i64.const 50  i64.shl  i64.or
    i64.xor)
  (func $constants (param $at i32) (result i32)
    local.get $at
    i32.const 12  i32.const 1  i32.mul  i32.const 3  i32.shl  i32.const 5  i32.sub
    i32.add))
