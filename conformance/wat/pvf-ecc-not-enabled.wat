(module (import "env" "host_calls_bls12_381_multi_miller_loop_version_1" (func $h (param i64 i64) (result i64))) (memory (export "memory") 17) (global (export "__heap_base") i32 (i32.const 4096))
          (func (export "validate_block") (param i32 i32) (result i64) (drop (call $h (i64.const 0) (i64.const 0))) (i64.const 0xc00000400)))
