(module (import "env" "ext_hashing_twox_64_version_1" (func $h (param i64) (result i32))) (memory (export "memory") 17) (global (export "__heap_base") i32 (i32.const 4096))
          (func (export "validate_block") (param i32 i32) (result i64) (drop (call $h (i64.const 0xffffffff00000000))) (i64.const 0xc00000400)))
