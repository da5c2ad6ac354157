(module (memory 1) (table 1 funcref) (global $zero (mut i32) (i32.const 0))
              (func $trap (param i32) (result i32) unreachable) (func $two (param i32 i32) (result i32) unreachable)
              (func (export "f") (result i32) (loop (result i32) (i32.div_u (i32.const 1) (global.get $zero)) drop (i32.load (i32.const 65536)))))
