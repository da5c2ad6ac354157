;; Imported functions, exported again, in the table, and between frames: they cost nothing.
(module
  (type $f (func (param i32) (result i32)))
  (import "host" "f" (func $host (type $f)))
  (table 3 funcref)
  (elem (i32.const 0) $host $own)
  (export "host" (func $host))
  (func $own (type $f) (i32.add (call $host (local.get 0)) (i32.const 1)))
  (func (export "f") (param i32) (result i32)
    (call_indirect (type $f) (local.get 0) (i32.and (local.get 0) (i32.const 3)))))
