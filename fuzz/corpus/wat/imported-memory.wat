;; Memory and table from outside.
(module
  (import "host" "memory" (memory 1 3))
  (import "host" "table" (table 2 funcref))
  (export "memory" (memory 0))
  (data (i32.const 100) "abc")
  (elem (i32.const 0) $f)
  (func $f (result i32) (i32.load (i32.const 100)))
  (func (export "f") (param i32) (result i32)
    (i32.add (memory.grow (i32.const 1)) (call_indirect (result i32) (local.get 0)))))
