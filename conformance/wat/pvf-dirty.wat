(module (global $g (mut i32) (i32.const 0)) (memory (export "memory") 17) (global (export "__heap_base") i32 (i32.const 4096))
          (func (export "validate_block") (param i32 i32) (result i64) (if (i32.or (global.get $g) (i32.load (i32.const 8192))) (then unreachable)) (global.set $g (i32.const 1)) (i32.store (i32.const 8192) (i32.const 1)) (i64.const 0xc00000400)))
