;; The byte loop that old runtimes carry as memcpy.
(module
  (memory 1)
  (func (export "memcpy") (param i32 i32 i32) (result i32)
    (local i32)
    block
      local.get 2
      i32.eqz
      br_if 0
      local.get 0
      local.set 3
      loop
        local.get 3
        local.get 1
        i32.load8_u
        i32.store8
        local.get 3
        i32.const 1
        i32.add
        local.set 3
        local.get 1
        i32.const 1
        i32.add
        local.set 1
        local.get 2
        i32.const -1
        i32.add
        local.tee 2
        br_if 0
      end
    end
    local.get 0))
