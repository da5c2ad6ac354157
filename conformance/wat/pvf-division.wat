(module  (memory (export "memory") 17) (global (export "__heap_base") i32 (i32.const 4096))
          (func (export "validate_block") (param i32 i32) (result i64) (drop (i32.div_u (i32.const 1) (i32.eqz (i32.const 1)))) (i64.const 0xc00000400)))
