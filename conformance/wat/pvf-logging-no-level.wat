(module (import "env" "ext_logging_log_version_1" (func $log (param i32 i64 i64))) (memory (export "memory") 17) (global (export "__heap_base") i32 (i32.const 4096))
          (func (export "validate_block") (param i32 i32) (result i64) (call $log (i32.const 9) (i64.const 0x400000000) (i64.const 0x400000000)) (i64.const 0xc00000400)))
