//! Finds the code that mutants change, and makes choices of it.
//!
//! Operands are evaluated once and in their order, whichever mutant is chosen.

use crate::edits::{Edits, Part};
use crate::list::{Genre, Mutant, Position};
use std::collections::BTreeMap;
use std::ops::Range;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{BinOp, Block, Expr, Signature};

/// The edits that make choices of these mutants of one file. Each has its number.
pub fn find(syntax: &syn::File, source: &str, mutants: &[(usize, &Mutant)]) -> Edits {
    let mut by_place: BTreeMap<(Position, &str), Vec<(usize, &Mutant)>> = BTreeMap::new();
    for (number, mutant) in mutants {
        let kind = kind(mutant.genre);
        let at = by_place.entry((mutant.span.start, kind)).or_default();
        at.push((*number, mutant));
    }
    let mut finder = Finder {
        source,
        by_place,
        edits: Edits::default(),
        in_const_fn: false,
    };
    finder.visit_file(syntax);
    finder.edits
}

/// Several mutants can begin at one place only if they are of different kinds.
fn kind(genre: Genre) -> &'static str {
    match genre {
        Genre::FnValue => "function",
        Genre::BinaryOperator => "binary",
        Genre::UnaryOperator => "unary",
        Genre::MatchArm => "arm",
        Genre::MatchArmGuard => "guard",
        Genre::StructField => "field",
    }
}

struct Finder<'a> {
    source: &'a str,
    by_place: BTreeMap<(Position, &'static str), Vec<(usize, &'a Mutant)>>,
    edits: Edits,
    /// The walk is in a function that constants may call.
    in_const_fn: bool,
}

fn bytes(node: &impl Spanned) -> Range<usize> {
    node.span().byte_range()
}

fn text(new: impl Into<String>) -> Part {
    Part::Text(new.into())
}

/// The question whether a mutant is chosen.
fn chosen(number: usize) -> String {
    format!("crate::__mutant({number})")
}

/// `if` mutant `{` its code `} else ... {` the code as it is `}`.
fn choice(changed: impl Iterator<Item = (usize, String)>, unchanged: &str) -> String {
    let mut text = String::new();
    for (number, code) in changed {
        text.push_str(&format!("if {} {{ {code} }} else ", chosen(number)));
    }
    format!("{text}{{ {unchanged} }}")
}

impl<'a> Finder<'a> {
    /// Takes the mutants of a kind that begin where the node begins.
    fn take(&mut self, node: &impl Spanned, kind: &'static str) -> Vec<(usize, &'a Mutant)> {
        let start = node.span().start();
        let position = Position {
            line: start.line,
            column: start.column + 1,
        };
        self.by_place.remove(&(position, kind)).unwrap_or_default()
    }

    fn edit(&mut self, range: Range<usize>, parts: Vec<Part>, mutants: Vec<usize>) {
        self.edits.add(range, parts, mutants, self.in_const_fn);
    }

    /// Visits a function, in whose body all choices are `const` or none.
    fn function(&mut self, signature: &Signature, block: &'a Block, walk: impl FnOnce(&mut Self)) {
        let outer = std::mem::replace(&mut self.in_const_fn, signature.constness.is_some());
        self.early_return(block);
        walk(self);
        self.in_const_fn = outer;
    }

    /// Returns early with another value.
    fn early_return(&mut self, block: &Block) {
        let (Some(first), Some(last)) = (block.stmts.first(), block.stmts.last()) else {
            return;
        };
        let found = self.take(first, "function");
        if found.is_empty() {
            return;
        }
        let range = bytes(first).start..bytes(last).end;
        // Each on its own: those that do not compile are left out, and the others stay.
        for (number, mutant) in found {
            let returns = format!(
                "if {} {{ return {}; }} ",
                chosen(number),
                mutant.replacement
            );
            let parts = vec![text(returns), Part::Source(range.clone())];
            self.edit(range.clone(), parts, vec![number]);
        }
    }

    fn binary(&mut self, node: &'a syn::ExprBinary) {
        let found = self.take(&node.op, "binary");
        if found.is_empty() || is_let_chain(node) {
            return;
        }
        let numbers: Vec<usize> = found.iter().map(|(number, _)| *number).collect();
        let (left, right) = (bytes(&*node.left), bytes(&*node.right));
        let operator = &self.source[bytes(&node.op)];
        let others = || {
            found
                .iter()
                .map(|(number, mutant)| (*number, mutant.replacement.as_str()))
        };
        let parts = match node.op {
            // The right operand is evaluated for one value of the left; for the other one in the mutant.
            BinOp::And(_) | BinOp::Or(_) => {
                let compare = if matches!(node.op, BinOp::And(_)) {
                    "!="
                } else {
                    "=="
                };
                vec![
                    text("({ let __left: bool = "),
                    Part::Source(left),
                    text(format!("; if __left {compare} {} {{ ", chosen(numbers[0]))),
                    Part::Source(right),
                    text(" } else { __left } })"),
                ]
            }
            BinOp::Eq(_)
            | BinOp::Ne(_)
            | BinOp::Lt(_)
            | BinOp::Le(_)
            | BinOp::Gt(_)
            | BinOp::Ge(_) => {
                let code = |operator: &str| format!("*__left {operator} *__right");
                let all = choice(
                    others().map(|(number, other)| (number, code(other))),
                    &code(operator),
                );
                vec![
                    text("(match (&("),
                    Part::Source(left),
                    text("), &("),
                    Part::Source(right),
                    text(format!(")) {{ (__left, __right) => {all} }})")),
                ]
            }
            _ if operator.ends_with('=') => {
                let place = &self.source[left];
                let code = |operator: &str| format!("{place} {operator} __right");
                let all = choice(
                    others().map(|(number, other)| (number, code(other))),
                    &code(operator),
                );
                vec![
                    text("(match ("),
                    Part::Source(right),
                    text(format!(") {{ __right => {all} }})")),
                ]
            }
            _ => {
                let code = |operator: &str| format!("__left {operator} __right");
                let all = choice(
                    others().map(|(number, other)| (number, code(other))),
                    &code(operator),
                );
                vec![
                    text("(match ("),
                    Part::Source(left),
                    text(", "),
                    Part::Source(right),
                    text(format!(") {{ (__left, __right) => {all} }})")),
                ]
            }
        };
        self.edit(bytes(node), parts, numbers);
    }

    fn unary(&mut self, node: &'a syn::ExprUnary) {
        let found = self.take(&node.op, "unary");
        let Some(&(number, _)) = found.first() else {
            return;
        };
        let operator = &self.source[bytes(&node.op)];
        let code = choice(
            [(number, "__operand".to_owned())].into_iter(),
            &format!("{operator}__operand"),
        );
        let parts = vec![
            text("(match ("),
            Part::Source(bytes(&*node.expr)),
            text(format!(") {{ __operand => {code} }})")),
        ];
        self.edit(bytes(node), parts, vec![number]);
    }

    fn arm(&mut self, arm: &'a syn::Arm) {
        let found = self.take(arm, "arm");
        if let (Some(&(number, _)), None) = (found.first(), &arm.guard) {
            let pattern = bytes(&arm.pat);
            let parts = vec![
                Part::Source(pattern.clone()),
                text(format!(" if !{}", chosen(number))),
            ];
            self.edit(pattern, parts, vec![number]);
        }
        let Some((_, guard)) = &arm.guard else {
            return;
        };
        let found = self.take(&**guard, "guard");
        if found.is_empty() {
            return;
        }
        let mut before = String::new();
        for (number, mutant) in &found {
            before.push_str(&format!(
                "if {} {{ {} }} else ",
                chosen(*number),
                mutant.replacement
            ));
        }
        let range = bytes(&**guard);
        let parts = vec![
            text(format!("({before}{{ ")),
            Part::Source(range.clone()),
            text(" })"),
        ];
        let numbers = found.iter().map(|(number, _)| *number).collect();
        self.edit(range, parts, numbers);
    }
}

/// Whether a `let` is an operand, of this expression or of those around it: such a chain must stay one.
fn is_let_chain(node: &syn::ExprBinary) -> bool {
    let has_let = |operand: &Expr| match operand {
        Expr::Let(_) => true,
        Expr::Binary(inner) => is_let_chain(inner),
        _ => false,
    };
    matches!(node.op, BinOp::And(_) | BinOp::Or(_)) && (has_let(&node.left) || has_let(&node.right))
}

impl<'ast: 'a, 'a> Visit<'ast> for Finder<'a> {
    fn visit_item_fn(&mut self, node: &'ast syn::ItemFn) {
        self.function(&node.sig, &node.block, |it| visit::visit_item_fn(it, node));
    }

    fn visit_impl_item_fn(&mut self, node: &'ast syn::ImplItemFn) {
        self.function(&node.sig, &node.block, |it| {
            visit::visit_impl_item_fn(it, node)
        });
    }

    fn visit_trait_item_fn(&mut self, node: &'ast syn::TraitItemFn) {
        let Some(block) = &node.default else {
            return;
        };
        self.function(&node.sig, block, |it| visit::visit_trait_item_fn(it, node));
    }

    fn visit_expr_binary(&mut self, node: &'ast syn::ExprBinary) {
        self.binary(node);
        visit::visit_expr_binary(self, node);
    }

    fn visit_expr_unary(&mut self, node: &'ast syn::ExprUnary) {
        self.unary(node);
        visit::visit_expr_unary(self, node);
    }

    fn visit_arm(&mut self, node: &'ast syn::Arm) {
        self.arm(node);
        visit::visit_arm(self, node);
    }

    // What is evaluated when the crate is compiled has no choice.
    fn visit_item_const(&mut self, _: &'ast syn::ItemConst) {}
    fn visit_item_static(&mut self, _: &'ast syn::ItemStatic) {}
    fn visit_impl_item_const(&mut self, _: &'ast syn::ImplItemConst) {}
    fn visit_trait_item_const(&mut self, _: &'ast syn::TraitItemConst) {}
    fn visit_expr_const(&mut self, _: &'ast syn::ExprConst) {}
    fn visit_variant(&mut self, _: &'ast syn::Variant) {}
    fn visit_type(&mut self, _: &'ast syn::Type) {}
    fn visit_pat(&mut self, node: &'ast syn::Pat) {
        // A pattern has constants, and macros that need not be expressions.
        let _ = node;
    }
}
