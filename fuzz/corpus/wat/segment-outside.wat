;; Cannot be instantiated; what lies before it was written.
(module
  (memory (export "memory") 1)
  (data (i32.const 0) "in")
  (data (i32.const 65535) "out")
  (func (export "never")))
