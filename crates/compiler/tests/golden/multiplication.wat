;; Products with constants: powers of two are shifts, 3, 5 and 9 one addition of a shifted register.
(module
  (func (param i32) (result i32) (i32.mul (local.get 0) (i32.const 3)))
  (func (param i64) (result i64) (i64.mul (local.get 0) (i64.const 5)))
  (func (param i32) (result i32) (i32.mul (local.get 0) (i32.const 9)))
  (func (param i64) (result i64) (i64.mul (local.get 0) (i64.const 9)))
  (func (param i64) (result i64) (i64.mul (local.get 0) (i64.const 4096)))
  (func (param i32) (result i32) (i32.mul (local.get 0) (i32.const 1)))
  (func (param i32) (result i32) (i32.mul (local.get 0) (i32.const 1000003)))
  (func (param i64) (result i64) (i64.mul (local.get 0) (i64.const 0x123456789abcdef))))
