;; Both meters: a leaf, a function that calls, a loop, growth.
(module
  (memory 1)
  (func $leaf (param i32) (result i32) local.get 0 i32.const 3 i32.add)
  (func (export "calls") (param i32) (result i32)
    (if (local.get 0) (then (return (call $leaf (local.get 0)))))
    i32.const 5)
  (func (export "loop") (param i32)
    (loop (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))
