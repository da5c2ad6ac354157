(module (import "env" "g" (global i64)) (memory (export "memory") 17) (global (export "__heap_base") i32 (i32.const 4096)) (start $f) (func $f))
