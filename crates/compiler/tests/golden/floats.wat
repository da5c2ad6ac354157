;; NaNs are made canonical only where they can be seen.
(module
  (memory 1)
  (func (export "dot") (param f64 f64 f64 f64) (result f64)
    local.get 0
    local.get 1
    f64.mul
    local.get 2
    local.get 3
    f64.mul
    f64.add)
  (func (export "min") (param f32 f32) (result f32) local.get 0 local.get 1 f32.min)
  (func (export "store") (param i32 f32) 
    local.get 0
    local.get 1
    f32.sqrt
    f32.store offset=4))
