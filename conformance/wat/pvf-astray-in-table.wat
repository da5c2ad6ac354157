(module (import "env" "g" (global i64)) (memory (export "memory") 17) (global (export "__heap_base") i32 (i32.const 4096)) (table 1 funcref) (elem (i32.const 0) $f) (func $f))
