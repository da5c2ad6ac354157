;; Every arm, the default, and arms that are the same.
(module
  (func (export "f") (param i32) (result i32)
    (block $3 (block $2 (block $1 (block $0
      (br_table $0 $1 $2 $0 $3 $2 (local.get 0)))
      (return (i32.const 10)))
      (return (i32.const 11)))
      (return (i32.const 12)))
    (i32.const 13))
  (func (export "value") (param i32) (result i32)
    (block $b (result i32) (block $a (result i32)
      (br_table $a $b $a (i32.const 20) (local.get 0)))
      (i32.add (i32.const 1)))))
