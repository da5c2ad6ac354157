(module (type $t0 (func)) (memory 1) (table 1 funcref) (elem declare func $nothing)  (func $nothing (type $t0)) (func (export "f")) (func (drop (i8x16.splat (i32.const 0)))))
