(module  (memory (export "memory") 17) (global (export "__heap_base") i32 (i32.const 4096))
          (func (export "validate_block") (param i32 i32) (result i64) (if (i32.ge_s (memory.grow (i32.sub (i32.const 2081) (memory.size))) (i32.const 0)) (then unreachable)) (i64.const 0xc00000400)))
