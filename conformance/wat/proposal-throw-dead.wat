(module (type $t0 (func)) (memory 1) (table 1 funcref) (elem declare func $nothing) (tag $t) (func $nothing (type $t0)) (func (export "f") unreachable (throw $t)))
