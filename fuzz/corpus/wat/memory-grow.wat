;; Succeeds, fails, and is paid for in both cases.
(module
  (memory (export "memory") 1 5)
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
  (func (export "one") (result i32) (memory.grow (i32.const 1)))
  (func (export "too-much") (result i32) (memory.grow (i32.const 65536)))
  (func (export "all") (result i32) (memory.grow (i32.const -1)))
  (func (export "size") (result i32) (memory.size)))
