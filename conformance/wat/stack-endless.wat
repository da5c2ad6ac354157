(module (func $f (export "run") (call $f))
        (func $g (export "values") (result i32) (i32.add (call $g) (i32.const 1))))
