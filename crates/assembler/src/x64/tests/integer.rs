//! Integer arithmetic, comparisons, shifts and bit counts.

use super::super::{Alu, Gpr, Instructions, Shift, Size};
use super::*;

#[test]
fn alu_registers_and_memory() {
    let mut c = Checker::new();
    for alu in Alu::ALL {
        for size in Size::ALL {
            let rm_r = code(&format!("{alu:?}_rm{{}}_r{{}}"), size);
            let r_rm = code(&format!("{alu:?}_r{{}}_rm{{}}"), size);
            c.rr(rm_r, (size, size), |asm, a, b| asm.alu_rr(alu, size, a, b));
            c.rm(r_rm, size, |asm, r, m| asm.alu_rm(alu, size, r, m));
            c.mr(rm_r, size, |asm, m, r| asm.alu_mr(alu, size, m, r));
        }
    }
}

/// iced's name of the register rax at this width.
fn accumulator(size: Size) -> &'static str {
    match size {
        Size::S8 => "AL",
        Size::S16 => "AX",
        Size::S32 => "EAX",
        Size::S64 => "RAX",
    }
}

/// The width of a full immediate at this operand width.
fn full_immediate(size: Size) -> &'static str {
    match size {
        Size::S8 => "8",
        Size::S16 => "16",
        Size::S32 | Size::S64 => "32",
    }
}

/// Whether an operation of this width can take `imm` as a sign-extended byte.
fn is_byte(size: Size, imm: i32) -> bool {
    let seen = if size == Size::S16 {
        i32::from(imm as i16)
    } else {
        imm
    };
    size != Size::S8 && (-128..=127).contains(&seen)
}

#[test]
fn alu_immediates() {
    let mut c = Checker::new();
    for alu in Alu::ALL {
        for size in Size::ALL {
            let (acc, full) = (accumulator(size), full_immediate(size));
            let short = code(&format!("{alu:?}_{acc}_imm{full}"), size);
            let long = code(&format!("{alu:?}_rm{{}}_imm{full}"), size);
            let byte = code(&format!("{alu:?}_rm{{}}_imm8"), size);
            for imm in IMMEDIATES {
                for r in Gpr::ALL {
                    let code = match r {
                        _ if is_byte(size, imm) => byte,
                        Gpr::Rax => short,
                        _ => long,
                    };
                    let operands = [g(size, r), i(size, imm)];
                    c.check(code, &operands, |asm| asm.alu_ri(alu, size, r, imm));
                }
            }
            for (n, case) in MEMS.iter().enumerate() {
                let imm = IMMEDIATES[n % IMMEDIATES.len()];
                let code = if is_byte(size, imm) { byte } else { long };
                let operands = [case.expected, i(size, imm)];
                c.check(code, &operands, |asm| asm.alu_mi(alu, size, case.mem, imm));
            }
        }
    }
}

#[test]
fn test() {
    let mut c = Checker::new();
    for size in Size::ALL {
        let (acc, full) = (accumulator(size), full_immediate(size));
        let rm_r = code("Test_rm{}_r{}", size);
        let short = code(&format!("Test_{acc}_imm{full}"), size);
        let long = code(&format!("Test_rm{{}}_imm{full}"), size);
        c.rr(rm_r, (size, size), |asm, a, b| asm.test_rr(size, a, b));
        c.mr(rm_r, size, |asm, m, r| asm.test_mr(size, m, r));
        for imm in IMMEDIATES {
            for r in Gpr::ALL {
                let code = if r == Gpr::Rax { short } else { long };
                c.check(code, &[g(size, r), i(size, imm)], |asm| {
                    asm.test_ri(size, r, imm)
                });
            }
        }
    }
}

#[test]
fn one_operand() {
    type Emit = fn(&mut Instructions, Size, Gpr);
    let table: [(&str, Emit); 8] = [
        ("Inc_rm{}", Instructions::inc_r),
        ("Dec_rm{}", Instructions::dec_r),
        ("Not_rm{}", Instructions::not_r),
        ("Neg_rm{}", Instructions::neg_r),
        ("Mul_rm{}", Instructions::mul_r),
        ("Imul_rm{}", Instructions::imul_r),
        ("Div_rm{}", Instructions::div_r),
        ("Idiv_rm{}", Instructions::idiv_r),
    ];
    let mut c = Checker::new();
    for (name, emit) in table {
        for size in Size::ALL {
            c.r(code(name, size), size, |asm, r| emit(asm, size, r));
        }
    }
}

#[test]
fn two_operands() {
    type EmitRr = fn(&mut Instructions, Size, Gpr, Gpr);
    type EmitRm = fn(&mut Instructions, Size, Gpr, Mem);
    let table: [(&str, EmitRr, EmitRm); 4] = [
        (
            "Imul_r{}_rm{}",
            Instructions::imul_rr,
            Instructions::imul_rm,
        ),
        (
            "Popcnt_r{}_rm{}",
            Instructions::popcnt_rr,
            Instructions::popcnt_rm,
        ),
        (
            "Tzcnt_r{}_rm{}",
            Instructions::tzcnt_rr,
            Instructions::tzcnt_rm,
        ),
        (
            "Lzcnt_r{}_rm{}",
            Instructions::lzcnt_rr,
            Instructions::lzcnt_rm,
        ),
    ];
    let mut c = Checker::new();
    for (name, rr, rm) in table {
        for size in NOT_BYTE {
            let code = code(name, size);
            c.rr(code, (size, size), |asm, a, b| rr(asm, size, a, b));
            c.rm(code, size, |asm, r, m| rm(asm, size, r, m));
        }
    }
}

#[test]
fn imul_by_immediate() {
    let mut c = Checker::new();
    for size in NOT_BYTE {
        let long = code(
            &format!("Imul_r{{}}_rm{{}}_imm{}", full_immediate(size)),
            size,
        );
        let byte = code("Imul_r{}_rm{}_imm8", size);
        for imm in IMMEDIATES {
            let code = if is_byte(size, imm) { byte } else { long };
            for a in Gpr::ALL {
                for b in Gpr::ALL {
                    let operands = [g(size, a), g(size, b), i(size, imm)];
                    c.check(code, &operands, |asm| asm.imul_rri(size, a, b, imm));
                }
            }
        }
    }
}

#[test]
fn sign_into_rdx() {
    let mut c = Checker::new();
    c.check(Code::Cdq, &[], |asm| asm.cdq());
    c.check(Code::Cqo, &[], |asm| asm.cqo());
}

#[test]
fn shifts() {
    let mut c = Checker::new();
    let cl = Operand::Register(Register::CL);
    for shift in Shift::ALL {
        for size in Size::ALL {
            let once = code(&format!("{shift:?}_rm{{}}_1"), size);
            let by_imm = code(&format!("{shift:?}_rm{{}}_imm8"), size);
            let by_cl = code(&format!("{shift:?}_rm{{}}_CL"), size);
            for r in Gpr::ALL {
                for count in [0, 1, 2, 7, 8, 15, 16, 31, 32, 63] {
                    let code = if count == 1 { once } else { by_imm };
                    let operands = [g(size, r), i8(count)];
                    c.check(code, &operands, |asm| asm.shift_ri(shift, size, r, count));
                }
                c.check(by_cl, &[g(size, r), cl], |asm| {
                    asm.shift_rcl(shift, size, r)
                });
            }
        }
    }
}

#[test]
fn shifts_without_flags() {
    let mut c = Checker::new();
    for (shift, name) in [
        (Shift::Shl, "Shlx"),
        (Shift::Shr, "Shrx"),
        (Shift::Sar, "Sarx"),
    ] {
        for size in WIDE {
            let code = code(&format!("VEX_{name}_r{{}}_rm{{}}_r{{}}"), size);
            c.rrr(code, size, |asm, dst, src, count| {
                asm.shiftx_rrr(shift, size, dst, src, count)
            });
        }
    }
}

#[test]
fn rotation_without_flags() {
    let mut c = Checker::new();
    for size in WIDE {
        let code = code("VEX_Rorx_r{}_rm{}_imm8", size);
        for count in [0, 1, 31, 32, 63] {
            for a in Gpr::ALL {
                for b in Gpr::ALL {
                    let operands = [g(size, a), g(size, b), i8(count)];
                    c.check(code, &operands, |asm| asm.rorx_rri(size, a, b, count));
                }
            }
        }
    }
}

#[test]
fn three_operands() {
    type EmitRrr = fn(&mut Instructions, Size, Gpr, Gpr, Gpr);
    type EmitRrm = fn(&mut Instructions, Size, Gpr, Gpr, Mem);
    let table: [(&str, EmitRrr, EmitRrm); 2] = [
        (
            "VEX_Andn_r{}_r{}_rm{}",
            Instructions::andn_rrr,
            Instructions::andn_rrm,
        ),
        (
            "VEX_Mulx_r{}_r{}_rm{}",
            Instructions::mulx_rrr,
            Instructions::mulx_rrm,
        ),
    ];
    let mut c = Checker::new();
    for (name, rrr, rrm) in table {
        for size in WIDE {
            let code = code(name, size);
            c.rrr(code, size, |asm, dst, a, b| rrr(asm, size, dst, a, b));
            for (n, case) in MEMS.iter().enumerate() {
                let (dst, a) = (turn(n, 0), turn(n, 1));
                let operands = [g(size, dst), g(size, a), case.expected];
                c.check(code, &operands, |asm| rrm(asm, size, dst, a, case.mem));
            }
        }
    }
}
