(module (import "env" "ext_allocator_malloc_version_1" (func $h (param i32) (result i32))) (memory (export "memory") 17) (global (export "__heap_base") i32 (i32.const 4096))
          (func (export "validate_block") (param i32 i32) (result i64) (loop (drop (call $h (i32.const 33554432))) (br 0)) (i64.const 0xc00000400)))
