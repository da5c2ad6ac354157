(module (memory (export "memory") 17) (global (export "__heap_base") i32 (i32.const 4096)))
