(module (type $a (func (result i32))) (type $b (func (result i32)))
        (table 1 funcref) (elem (i32.const 0) func $g) (func $g (type $a) (i32.const 5))
        (func (export "f") (result i32) (call_indirect (type $b) (i32.const 0))))
