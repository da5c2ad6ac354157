(module (func (export "f") (block (br 0)) unreachable))
