(module (func (export "f") (result i32) (i32.const 42)) (func (result i32) (drop (block (result i64) (drop (block (result f32) unreachable (br_table 1 0 1))) (i64.const 0)))
             (i32.const 42)))
