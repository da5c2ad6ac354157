(module (import "other" "f" (func)) (func (drop (i32.extend8_s (i32.const 1)))) (func (drop (v128.const i32x4 0 0 0 0))))
