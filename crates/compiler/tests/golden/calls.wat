;; Direct and indirect calls, values needed after them, recursion.
(module
  (type $binary (func (param i32 i32) (result i32)))
  (import "env" "host" (func $host (param i32) (result i32)))
  (table 4 funcref)
  (elem (i32.const 0) $add)
  (func $add (type $binary) local.get 0 local.get 1 i32.add)
  (func (export "fib") (param i32) (result i32)
    local.get 0
    i32.const 2
    i32.lt_u
    if
      local.get 0
      return
    end
    local.get 0
    i32.const 1
    i32.sub
    call 2
    local.get 0
    i32.const 2
    i32.sub
    call 2
    i32.add)
  (func (export "indirect") (param i32 i32) (result i32)
    local.get 0
    local.get 1
    call $host
    local.get 0
    call_indirect (type $binary)))
