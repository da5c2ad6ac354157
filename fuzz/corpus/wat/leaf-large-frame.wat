;; A leaf of many locals and a high operand stack overflows too.
(module
  (func $leaf (param i32) (result i32) (local i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64)
    (i32.add (local.get 0) (i32.add (local.get 0) (i32.add (local.get 0) (i32.add (local.get 0)
      (i32.add (local.get 0) (i32.add (local.get 0) (i32.const 1))))))))
  (func (export "f") (param i32) (result i32) (call $leaf (call $leaf (local.get 0)))))
