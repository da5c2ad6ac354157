;; Branches out of blocks: where metered blocks end.
(module
  (global (export "g") (mut i32) (i32.const 0))
  (func (export "f") (param i32) (result i32)
    (block $a (result i32)
      (block $b
        (block $c
          (br_if $c (i32.eqz (local.get 0)))
          (global.set 0 (i32.const 1))
          (br_if $b (i32.and (local.get 0) (i32.const 1)))
          (global.set 0 (i32.const 2))
          (br $a (i32.const 3)))
        (global.set 0 (i32.const 4))
        (if (i32.and (local.get 0) (i32.const 2)) (then (return (i32.const 5))) (else (global.set 0 (i32.const 6)))))
      (global.set 0 (i32.const 7))
      (i32.const 8))))
