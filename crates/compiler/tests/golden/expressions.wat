;; Expressions that become one instruction, or fewer than their operators.
(module
  (memory 1)
  ;; LLVM's expansion of a swap of 64 bits.
  (func $swap_64 (param $x i64) (result i64)
    local.get $x  i64.const 56  i64.shl
    local.get $x  i64.const 65280  i64.and  i64.const 40  i64.shl
    i64.or
    local.get $x  i64.const 16711680  i64.and  i64.const 24  i64.shl
    local.get $x  i64.const 4278190080  i64.and  i64.const 8  i64.shl
    i64.or
    i64.or
    local.get $x  i64.const 8  i64.shr_u  i64.const 4278190080  i64.and
    local.get $x  i64.const 24  i64.shr_u  i64.const 16711680  i64.and
    i64.or
    local.get $x  i64.const 40  i64.shr_u  i64.const 65280  i64.and
    local.get $x  i64.const 56  i64.shr_u
    i64.or
    i64.or
    i64.or)
  ;; The swap of 32 bits, in both forms, as the index of an access.
  (func $swap_32 (param $at i32) (param $x i32) (result i32)
    local.get $at  i32.load  local.tee $x
    i32.const 16711935  i32.and  i32.const 8  i32.rotr
    local.get $x  i32.const 24  i32.rotr  i32.const 16711935  i32.and
    i32.or
    i32.load offset=16
    local.get $x  i32.const 24  i32.shl
    local.get $x  i32.const 65280  i32.and  i32.const 8  i32.shl
    i32.or
    local.get $x  i32.const 8  i32.shr_u  i32.const 65280  i32.and
    local.get $x  i32.const 24  i32.shr_u
    i32.or
    i32.or
    i32.xor)
  ;; Not a swap: two bytes are in the wrong places.
  (func $no_swap (param $x i32) (result i32)
    local.get $x  i32.const 24  i32.shl
    local.get $x  i32.const 65280  i32.and
    i32.or
    local.get $x  i32.const 16711680  i32.and
    local.get $x  i32.const 24  i32.shr_u
    i32.or
    i32.or)
  ;; Addresses of elements: the shift before or behind the base.
  (func $elements (param $array i32) (param $i i32) (param $k i64) (result i32)
    local.get $array
    local.get $i  i32.const 2  i32.shl
    i32.add
    i32.load offset=8
    local.get $i  i32.const 3  i32.shl
    local.get $array  i32.add
    i64.load
    local.get $k
    local.get $k  i64.const 1  i64.shl
    i64.add
    i64.sub
    i32.wrap_i64
    i32.add)
  ;; Masks whose upper half is 0 need 32 bits alone; constants of 64 bits are stored.
  (func $masks (param $x i64) (param $at i32) (result i64)
    local.get $at  i64.const 0x123456789abcdef0  i64.store offset=8
    local.get $x  i64.const 0xff000000  i64.and
    local.get $x  i64.const 0xff  i64.and
    i64.add
    local.get $x  i64.const 0xffff  i64.and
    i64.add
    local.get $x  i64.const 0xffffffff  i64.and
    i64.add
    local.get $x  i64.const 0x7ffffffe  i64.and
    i64.add)
  ;; Values change places at the end of the loop: the branch back is one jump all the same.
  (func $fibonacci (param $n i32) (result i32) (local $a i32) (local $b i32) (local $c i32)
    i32.const 1  local.set $b
    loop
      local.get $a  local.get $b  i32.add  local.set $c
      local.get $b  local.set $a
      local.get $c  local.set $b
      local.get $n  i32.const 1  i32.sub  local.tee $n
      br_if 0
    end
    local.get $a)
  ;; A sum between a comparison and the branch by it leaves the flags as they are.
  (func $count_down (param $at i32) (param $n i32) (result i32)
    loop
      local.get $at  local.get $n  i32.store
      local.get $n  i32.const 1  i32.gt_s
      local.get $n  i32.const -1  i32.add  local.set $n
      br_if 0
    end
    local.get $n)
  ;; Even divisors: the factor of two is taken out first.
  (func $even_divisors (param $x i64) (param $y i32) (result i64)
    local.get $x  i64.const 100000  i64.div_u
    local.get $x  i64.const 14  i64.rem_u
    i64.add
    local.get $y  i32.const 14  i32.div_u
    i64.extend_i32_u
    i64.add)
)
