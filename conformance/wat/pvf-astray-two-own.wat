(module (import "env" "g" (global i64)) (global $own (mut i32) (i32.const 0)) (memory (export "memory") 17) (global (export "__heap_base") i32 (i32.const 4096))
          (func (export "validate_block") (param i32 i32) (result i64)  (i64.const 0xc00000400)))
