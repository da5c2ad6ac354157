;; Growth with a price per page (rule GAS-6): charged for a number that is known, in a local, and computed. Then a block
;; whose cost has more than 31 bits, and one whose cost has more than 32.
(module
  (memory 1 100)
  (func (param i32) (result i32)
    (memory.grow (local.get 0)))
  (func (result i32)
    (memory.grow (i32.const 3)))
  (func (param i32 i32) (result i32)
    (i32.add
      (memory.grow (i32.mul (local.get 0) (local.get 1)))
      (local.get 1)))
  (func nop)
  (func nop nop))
