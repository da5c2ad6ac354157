;; Gas ends it at a block that the memory tells.
(module
  (memory (export "memory") 1)
  (func (export "f") (param i32)
    (loop $again
      (i32.store8 (i32.and (local.get 0) (i32.const 0xffff)) (i32.const 255))
      (local.set 0 (i32.add (local.get 0) (i32.const 3)))
      (br $again))))
