(module (start $s) (func $s (global.set 0 (i32.const 20)))
            (func (export "get") (result i32) (global.get 0)))
