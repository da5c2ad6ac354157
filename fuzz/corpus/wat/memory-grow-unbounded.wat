;; To the executor's own limit.
(module
  (memory (export "memory") 0)
  (func (export "f") (result i32)
    (loop $more (br_if $more (i32.ne (memory.grow (i32.const 3)) (i32.const -1))))
    (i32.store (i32.sub (i32.shl (memory.size) (i32.const 16)) (i32.const 4)) (i32.const 0x01020304))
    (memory.size)))
