//! Values of types that only the metadata know.

use crate::error::{Error, one_line};
use crate::metadata::{Metadata, TypeId};
use parity_scale_codec::Encode;
use scale_info::{TypeDef, TypeDefPrimitive};
use scale_value::scale::encode_as_type;
use scale_value::stringify::custom_parsers::{parse_hex, parse_ss58};
use scale_value::stringify::from_str_custom;
use scale_value::{Composite, Value, ValueDef};

/// How deep types may be in each other.
const MAX_DEPTH: u32 = 32;

/// How many types a value may consist of.
const MAX_TYPES: u32 = 10_000;

/// How deep parentheses may be in each other in a value's text.
const MAX_NESTING: usize = 64;

/// Variants that stand for "nothing", in the order in which they are looked for.
const NOTHING: &[&str] = &["None", "Disabled", "Immortal"];

impl Metadata {
    /// Encodes the value of a type that says the least: zero, nothing, an empty list.
    pub(crate) fn least(&self, ty: TypeId, out: &mut Vec<u8>) -> Result<(), String> {
        self.least_within(ty, MAX_DEPTH, &mut MAX_TYPES.clone(), out)
    }

    fn least_within(
        &self,
        ty: TypeId,
        depth: u32,
        budget: &mut u32,
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        *budget = budget.checked_sub(1).ok_or("the type is too large")?;
        let unknown = || format!("type {ty} is not in the metadata");
        let definition = self.definition(ty).ok_or_else(unknown)?;
        let depth = depth.checked_sub(1).ok_or("the type is too deep")?;
        match definition {
            TypeDef::Composite(it) => it
                .fields
                .iter()
                .try_for_each(|field| self.least_within(field.ty.id, depth, budget, out)),
            TypeDef::Tuple(it) => it
                .fields
                .iter()
                .try_for_each(|field| self.least_within(field.id, depth, budget, out)),
            TypeDef::Array(it) => {
                let mut one = Vec::new();
                self.least_within(it.type_param.id, depth, budget, &mut one)?;
                let bytes = one.len().saturating_mul(it.len as usize);
                if bytes > 1 << 20 {
                    return Err("the type is too large".to_owned());
                }
                out.extend(one.repeat(it.len as usize));
                Ok(())
            }
            TypeDef::Sequence(_) | TypeDef::BitSequence(_) | TypeDef::Compact(_) => {
                out.push(0);
                Ok(())
            }
            TypeDef::Primitive(primitive) => {
                out.extend(vec![0; primitive_bytes(primitive)]);
                Ok(())
            }
            TypeDef::Variant(it) => {
                let named = |name: &&str| it.variants.iter().find(|variant| variant.name == **name);
                let first = || it.variants.iter().min_by_key(|variant| variant.index);
                let variant = NOTHING.iter().find_map(named).or_else(first);
                let variant = variant.ok_or("the type has no values")?;
                out.push(variant.index);
                variant
                    .fields
                    .iter()
                    .try_for_each(|field| self.least_within(field.ty.id, depth, budget, out))
            }
        }
    }

    /// Encodes a number as a primitive of this type.
    pub(crate) fn number(&self, ty: TypeId, number: u128, out: &mut Vec<u8>) -> Result<(), String> {
        match self.definition(ty) {
            Some(TypeDef::Primitive(primitive)) => {
                let bytes = number.to_le_bytes();
                let width = primitive_bytes(primitive).min(bytes.len());
                if bytes[width..].iter().any(|&byte| byte != 0) {
                    return Err(format!("{number} does not fit into {width} bytes"));
                }
                out.extend(&bytes[..width]);
                Ok(())
            }
            // A type around the number.
            Some(TypeDef::Composite(it)) if it.fields.len() == 1 => {
                self.number(it.fields[0].ty.id, number, out)
            }
            _ => Err("it is no number".to_owned()),
        }
    }

    /// Encodes a value that was written as text: `{ dest: Id(0x01…), value: 5 }`.
    pub(crate) fn encode_arguments(
        &self,
        arguments: &[(String, Option<TypeId>)],
        text: &str,
    ) -> Result<Vec<u8>, String> {
        let Some(types) = &self.types else {
            return Err("metadata without types cannot encode arguments".to_owned());
        };
        if nesting(text) > MAX_NESTING {
            return Err(format!("parentheses are more than {MAX_NESTING} deep"));
        }
        let (value, rest) = from_str_custom()
            .add_custom_parser(parse_hex)
            .add_custom_parser(parse_ss58)
            .parse(text);
        let value = value.map_err(|error| one_line(&error.to_string()))?;
        if !rest.trim().is_empty() {
            return Err(format!("there is more behind the arguments: {rest:?}"));
        }
        let ValueDef::Composite(given) = value.value else {
            return Err("arguments are written {name: value, …} or (value, …)".to_owned());
        };
        if given.len() != arguments.len() {
            let names: Vec<_> = arguments.iter().map(|(name, _)| &name[..]).collect();
            return Err(format!(
                "{} arguments are given, it has {}: {}",
                given.len(),
                arguments.len(),
                names.join(", ")
            ));
        }
        let mut out = Vec::new();
        for (position, (name, ty)) in arguments.iter().enumerate() {
            let value = match &given {
                Composite::Named(fields) => {
                    fields.iter().find(|(it, _)| it == name).map(|it| &it.1)
                }
                Composite::Unnamed(fields) => fields.get(position),
            };
            let value: &Value = value.ok_or_else(|| format!("there is no argument `{name}`"))?;
            let ty = ty.ok_or_else(|| format!("the type of `{name}` is not known"))?;
            encode_as_type(value, ty, types, &mut out)
                .map_err(|error| format!("{name}: {}", one_line(&error.to_string())))?;
        }
        Ok(out)
    }

    /// Bytes of `System.Account` of an account that nothing happened to but that it has `free`.
    pub(crate) fn account_info(&self, free: u128) -> Result<Vec<u8>, Error> {
        let unknown =
            |why: &str| Error::Unsupported(format!("keeps accounts in an unknown form: {why}"));
        let (_, item) = self
            .item("System", "Account")
            .ok_or_else(|| unknown("there is no System.Account"))?;
        if let Some(key) = item.key {
            let mut account = Vec::new();
            self.least(key, &mut account).map_err(|why| unknown(&why))?;
            if account.len() != 32 {
                let what = format!("has accounts of {} bytes, not of 32", account.len());
                return Err(Error::Unsupported(what));
            }
        }
        let Some(ty) = item.value else {
            // Nonce, consumers, providers, sufficients; free, reserved and two frozen balances.
            return match item.default.len() {
                80 => Ok((0_u32, 0_u32, 1_u32, 0_u32, free, [0_u128; 3]).encode()),
                76 => Ok((0_u32, 0_u32, 1_u32, free, [0_u128; 3]).encode()),
                bytes => Err(unknown(&format!("{bytes} bytes"))),
            };
        };
        let mut out = Vec::new();
        self.account_fields(ty, free, &mut out)
            .map_err(|why| unknown(&why))?;
        Ok(out)
    }

    fn account_fields(&self, ty: TypeId, free: u128, out: &mut Vec<u8>) -> Result<(), String> {
        let Some(TypeDef::Composite(composite)) = self.definition(ty) else {
            return self.least(ty, out);
        };
        for field in &composite.fields {
            match field.name.as_deref() {
                Some("providers") => self.number(field.ty.id, 1, out)?,
                Some("free") => self.number(field.ty.id, free, out)?,
                // The account is of the logic with holds and freezes.
                Some("flags") => self.number(field.ty.id, 1 << 127, out)?,
                Some("data") => self.account_fields(field.ty.id, free, out)?,
                _ => self.least(field.ty.id, out)?,
            }
        }
        Ok(())
    }
}

/// How deep parentheses are in each other, those in strings included.
fn nesting(text: &str) -> usize {
    let (mut depth, mut most) = (0_usize, 0);
    for byte in text.bytes() {
        match byte {
            b'(' | b'{' => depth += 1,
            b')' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        most = most.max(depth);
    }
    most
}

/// Bytes of a primitive; a string's least value is its length of 0.
fn primitive_bytes(primitive: &TypeDefPrimitive) -> usize {
    match primitive {
        TypeDefPrimitive::Bool | TypeDefPrimitive::U8 | TypeDefPrimitive::I8 => 1,
        TypeDefPrimitive::Str => 1,
        TypeDefPrimitive::U16 | TypeDefPrimitive::I16 => 2,
        TypeDefPrimitive::Char | TypeDefPrimitive::U32 | TypeDefPrimitive::I32 => 4,
        TypeDefPrimitive::U64 | TypeDefPrimitive::I64 => 8,
        TypeDefPrimitive::U128 | TypeDefPrimitive::I128 => 16,
        TypeDefPrimitive::U256 | TypeDefPrimitive::I256 => 32,
    }
}
