(module (import "env" "ext_crypto_start_batch_verify_version_1" (func $h)) (memory (export "memory") 17) (global (export "__heap_base") i32 (i32.const 4096))
          (func (export "validate_block") (param i32 i32) (result i64) (call $h) (call $h) (i64.const 0xc00000400)))
