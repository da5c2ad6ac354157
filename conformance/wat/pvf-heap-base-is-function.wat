(module (memory (export "memory") 17) (func (export "__heap_base")) (func (export "validate_block") (param i32 i32) (result i64) (i64.const 0xc00000400)))
