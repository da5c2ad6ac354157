;; Short memory.copy and memory.fill.
(module
  (memory 1)
  (func (export "copy_8") (param i32 i32)
    (memory.copy (local.get 0) (local.get 1) (i32.const 8)))
  (func (export "copy_13") (param i32 i32)
    (memory.copy (local.get 0) (local.get 1) (i32.const 13)))
  (func (export "copy_3") (param i32 i32)
    (memory.copy (local.get 0) (local.get 1) (i32.const 3)))
  (func (export "fill_16") (param i32)
    (memory.fill (local.get 0) (i32.const 0xee) (i32.const 16))))
