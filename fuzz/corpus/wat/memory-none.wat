;; No memory, no table.
(module
  (global (export "g") (mut f64) (f64.const 0))
  (func (export "f") (param f64) (result f64)
    (global.set 0 (f64.add (global.get 0) (local.get 0)))
    (global.get 0)))
