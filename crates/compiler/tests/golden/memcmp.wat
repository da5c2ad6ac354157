;; The byte loop that runtimes carry as memcmp: an idiom, with what a difference leaves in two locals.
(module
  (memory 1)
  (func (export "memcmp") (param i32 i32 i32) (result i32)
    (local i32 i32 i32)
    block
      local.get 2
      i32.eqz
      br_if 0
      block
        loop
          local.get 0
          i32.load8_u
          local.tee 4
          local.get 1
          i32.load8_u
          local.tee 5
          i32.ne
          br_if 1
          local.get 0
          i32.const 1
          i32.add
          local.set 0
          local.get 1
          i32.const 1
          i32.add
          local.set 1
          local.get 2
          i32.const -1
          i32.add
          local.tee 2
          i32.eqz
          br_if 2
          br 0
        end
      end
      local.get 4
      local.get 5
      i32.sub
      local.set 3
    end
    local.get 3))
