(module (type $t0 (func)) (memory 1) (table 1 funcref) (elem declare func $nothing)  (func $nothing (type $t0)) (func (export "f")) (func (drop (ref.is_null (table.get 0 (i32.const 0))))))
