(module (import "env" "ext_logging_max_level_version_1" (func $host (result i32))) (global $small (mut f64) (f64.const 0x1p-1022)) (global $before (mut f64) (f64.const 0)) (memory (export "memory") 17) (global (export "__heap_base") i32 (i32.const 4096))
          (func (export "validate_block") (param i32 i32) (result i64) (global.set $before (f64.div (global.get $small) (f64.const 3))) (drop (call $host))
         (if (f64.ne (global.get $before) (f64.div (global.get $small) (f64.const 3))) (then unreachable))
         (if (f64.eq (global.get $before) (f64.const 0)) (then unreachable)) (i64.const 0xc00000400)))
