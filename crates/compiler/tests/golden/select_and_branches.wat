;; Comparisons fused with what uses them; a br_table.
(module
  (func (export "max") (param i32 i32) (result i32)
    local.get 0
    local.get 1
    local.get 0
    local.get 1
    i32.gt_s
    select)
  (func (export "masked") (param i32) (result i32)
    block
      local.get 0
      i32.const 4
      i32.and
      br_if 0
      i32.const 1
      return
    end
    i32.const 2)
  (func (export "switch") (param i32) (result i32)
    block
      block
        block
          local.get 0
          br_table 0 1 0 2
        end
        i32.const 10
        return
      end
      i32.const 20
      return
    end
    i32.const 30))
