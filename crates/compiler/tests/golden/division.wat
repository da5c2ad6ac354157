;; Divisions: bound registers, traps, powers of two.
(module
  (func (export "div_s") (param i32 i32) (result i32) local.get 0 local.get 1 i32.div_s)
  (func (export "rem_u") (param i64 i64) (result i64) local.get 0 local.get 1 i64.rem_u)
  (func (export "eighth") (param i32) (result i32) local.get 0 i32.const 8 i32.div_u)
  (func (export "mod_16") (param i32) (result i32) local.get 0 i32.const 16 i32.rem_u))
