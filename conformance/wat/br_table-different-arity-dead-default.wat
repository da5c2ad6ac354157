(module (func (export "f") (result i32) (i32.const 42)) (func (result i32) (drop (block (result i64) (drop (block (result f32) unreachable (block (br 0) (br_table 1 1 0 (i32.const 0))))) (i64.const 0)))
             (i32.const 42)))
