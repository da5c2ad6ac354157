(module
          (func (export "f32-in") (param f32) (result i32) (i32.reinterpret_f32 (local.get 0)))
          (func (export "f32-out") (param i32) (result f32) (f32.reinterpret_i32 (local.get 0)))
          (func (export "f64-in") (param f64) (result i64) (i64.reinterpret_f64 (local.get 0)))
          (func (export "f64-out") (param i64) (result f64) (f64.reinterpret_i64 (local.get 0))))
