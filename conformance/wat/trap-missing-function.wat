(module (import "host" "never" (func $never)) (func (export "f") (call $never)))
