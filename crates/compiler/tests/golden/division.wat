;; Divisions: bound registers, traps, powers of two.
(module
  (func (export "div_s") (param i32 i32) (result i32) local.get 0 local.get 1 i32.div_s)
  (func (export "rem_u") (param i64 i64) (result i64) local.get 0 local.get 1 i64.rem_u)
  (func (export "eighth") (param i32) (result i32) local.get 0 i32.const 8 i32.div_u)
  (func (export "mod_16") (param i32) (result i32) local.get 0 i32.const 16 i32.rem_u)
  (func (export "tenth") (param i32) (result i32) local.get 0 i32.const 10 i32.div_u)
  (func (export "mod_7") (param i32) (result i32) local.get 0 i32.const 7 i32.rem_u)
  (func (export "third") (param i32) (result i32) local.get 0 i32.const -3 i32.div_s)
  (func (export "mod_8") (param i32) (result i32) local.get 0 i32.const 8 i32.rem_s)
  (func (export "tenth_64") (param i64) (result i64) local.get 0 i64.const 10 i64.div_u)
  (func (export "mod_7_64") (param i64) (result i64) local.get 0 i64.const 7 i64.rem_u)
  (func (export "third_64") (param i64) (result i64) local.get 0 i64.const 3 i64.div_s))
