//! Host functions whose type is known to the Rust compiler.
//!
//! One entry is compiled for each such function. Generated code calls the entry with parameters in
//! registers (a *plain host call* of [`pvf_compiler::abi`]), without look-up, boxing or dynamic
//! dispatch. A function with a short way ([`QuickFunction`]) is called without a switch of the
//! floating-point state too.

use crate::arch::{PlainEntry, PlainReturn};
use crate::host::{end, failure};
use crate::store::{Core, Store};
use crate::{Caller, HostError};
use pvf_compiler::{FuncType, ValType};
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;

/// An integer type that can be a parameter or result.
pub trait PlainValue: Copy {
    /// The type in Wasm.
    const TYPE: ValType;
    /// The value of these bits; bits beyond the type's width are ignored.
    fn from_bits(bits: u64) -> Self;
    /// The value's bits, zero-extended.
    fn to_bits(self) -> u64;
}

macro_rules! plain_values {
    ($($rust:ident $wasm:ident by $bits:ident;)*) => {
        $(impl PlainValue for $rust {
            const TYPE: ValType = ValType::$wasm;

            #[inline]
            fn from_bits(bits: u64) -> Self {
                bits as Self
            }

            #[inline]
            fn to_bits(self) -> u64 {
                self as $bits as u64
            }
        })*
    };
}

plain_values! {
    u32 I32 by u32;
    i32 I32 by u32;
    u64 I64 by u64;
    i64 I64 by u64;
}

/// The result type of a typed function: an integer or nothing.
pub trait PlainResult {
    /// The type in Wasm.
    const TYPE: Option<ValType>;
    /// The result's bits, zero-extended; 0 for `()`.
    fn to_bits(self) -> u64;
}

impl PlainResult for () {
    const TYPE: Option<ValType> = None;

    #[inline]
    fn to_bits(self) -> u64 {
        0
    }
}

impl<V: PlainValue> PlainResult for V {
    const TYPE: Option<ValType> = Some(V::TYPE);

    #[inline]
    fn to_bits(self) -> u64 {
        PlainValue::to_bits(self)
    }
}

/// A function, or a closure without captures, that takes a [`Caller`] and up to 4 integers
/// ([`PlainValue`]) and returns a [`PlainResult`] or an error. `P` is the tuple of its parameters.
///
/// ```
/// use pvf_runtime::{Caller, HostError, Linker};
///
/// fn add(caller: &mut Caller<'_, u64>, a: u32, b: u64) -> Result<u64, HostError> {
///     *caller.data_mut() += 1;
///     Ok(u64::from(a) + b)
/// }
///
/// Linker::<u64>::new().typed("host", "add", add);
/// ```
pub trait TypedFunction<T, P, R>: Copy + Send + Sync + 'static {
    /// The function's type in Wasm.
    fn ty() -> FuncType;
    /// Calls the function with the first of `parameters`, as many as it has.
    fn call(self, caller: &mut Caller<'_, T>, parameters: [u64; 4]) -> Result<u64, HostError>;
}

macro_rules! typed_functions {
    ($(($($parameter:ident $index:literal),*))*) => {
        $(impl<T, F, $($parameter,)* R> TypedFunction<T, ($($parameter,)*), R> for F
        where
            F: Fn(&mut Caller<'_, T>, $($parameter),*) -> Result<R, HostError>,
            F: Copy + Send + Sync + 'static,
            $($parameter: PlainValue,)*
            R: PlainResult,
        {
            fn ty() -> FuncType {
                FuncType {
                    params: vec![$($parameter::TYPE),*],
                    results: R::TYPE.into_iter().collect(),
                }
            }

            #[inline]
            fn call(
                self,
                caller: &mut Caller<'_, T>,
                #[allow(unused_variables, reason = "there are functions without parameters")]
                parameters: [u64; 4],
            ) -> Result<u64, HostError> {
                self(caller, $($parameter::from_bits(parameters[$index])),*).map(R::to_bits)
            }
        }

        impl<T, F, $($parameter,)* R> QuickFunction<T, ($($parameter,)*), R> for F
        where
            F: Fn(&mut Caller<'_, T>, $($parameter),*) -> Option<R>,
            F: Copy + Send + Sync + 'static,
            $($parameter: PlainValue,)*
            R: PlainResult,
        {
            const PARAMETERS: usize = <[usize]>::len(&[$($index),*]);

            #[inline]
            fn call(
                self,
                caller: &mut Caller<'_, T>,
                #[allow(unused_variables, reason = "there are functions without parameters")]
                parameters: [u64; 4],
            ) -> Option<u64> {
                self(caller, $($parameter::from_bits(parameters[$index])),*).map(R::to_bits)
            }
        })*
    };
}

typed_functions! {
    ()
    (A 0)
    (A 0, B 1)
    (A 0, B 1, C 2)
    (A 0, B 1, C 2, D 3)
}

/// The short way of a host function: a function, or a closure without captures, like a
/// [`TypedFunction`], that returns its result or, without any effect, `None`. `P` is the tuple of its
/// parameters. See [`Linker::quick`](crate::Linker::quick).
pub trait QuickFunction<T, P, R>: Copy + Send + Sync + 'static {
    /// How many parameters the function has.
    const PARAMETERS: usize;
    /// Calls the function with the first of `parameters`, as many as it has.
    fn call(self, caller: &mut Caller<'_, T>, parameters: [u64; 4]) -> Option<u64>;
}

/// The function's type, and what the entry calls that switches the floating-point state.
pub(crate) fn target<T, P, R, F: TypedFunction<T, P, R>>(_: F) -> (FuncType, PlainEntry) {
    const {
        assert!(
            size_of::<F>() == 0,
            "a typed function is a function or a closure that captures nothing"
        );
    }
    (F::ty(), call::<T, P, R, F>)
}

/// The entry that generated code calls for a function with a short way.
pub(crate) fn quick_entry<T, P, R, Q, F>(_: Q, _: F) -> PlainEntry
where
    Q: QuickFunction<T, P, R>,
    F: TypedFunction<T, P, R>,
{
    const {
        assert!(
            size_of::<Q>() == 0,
            "a short way is a function or a closure that captures nothing"
        );
    }
    call_quick::<T, P, R, Q, F>
}

/// The entry for the short way `Q` and the function `F`. What `Q` cannot do is left to a call in tail
/// position, so that no register is saved for it.
///
/// # Safety
/// As for [`call`]. Values of `Q` and `F`, which have size 0, have existed.
unsafe extern "C" fn call_quick<T, P, R, Q, F>(
    p0: u64,
    p1: u64,
    p2: u64,
    p3: u64,
    index: u32,
    store: *mut c_void,
) -> PlainReturn
where
    Q: QuickFunction<T, P, R>,
    F: TypedFunction<T, P, R>,
{
    let value = {
        // SAFETY: as in `call`.
        let store = unsafe { &mut *store.cast::<Store<T>>() };
        // SAFETY: `quick_entry` was given a value of `Q`, which is `Copy`, and checked that its size is
        // 0; reading it reads no bytes.
        let quick: Q = unsafe { NonNull::dangling().read() };
        let mut caller = Caller {
            core: &mut store.core,
            data: &mut store.data,
            function: index,
        };
        catch_unwind(AssertUnwindSafe(|| {
            quick.call(&mut caller, [p0, p1, p2, p3])
        }))
    };
    match value {
        Ok(Some(value)) => PlainReturn { value, ended: 0 },
        Ok(None) => {
            // What is no parameter need not be kept in a register.
            let [p0, p1, p2, p3] = [(0, p0), (1, p1), (2, p2), (3, p3)]
                .map(|(at, p)| if at < Q::PARAMETERS { p } else { 0 });
            // SAFETY: the promises of this function's caller are those that `call` asks for, and no
            // reference to the store is in use any more.
            unsafe { call::<T, P, R, F>(p0, p1, p2, p3, index, store) }
        }
        // SAFETY: as above.
        Err(payload) => failed(
            unsafe { &mut (*store.cast::<Store<T>>()).core },
            Err(payload),
        ),
    }
}

/// Calls the function `F`.
///
/// # Safety
/// The caller is generated code that makes a plain host call in an activation of `store`, a
/// `Store<T>` to which no reference is in use. A value of `F`, which has size 0, has existed.
unsafe extern "C" fn call<T, P, R, F: TypedFunction<T, P, R>>(
    p0: u64,
    p1: u64,
    p2: u64,
    p3: u64,
    index: u32,
    store: *mut c_void,
) -> PlainReturn {
    // SAFETY: the caller promises that `store` is a `Store<T>`; while generated code runs,
    // `call::run` uses no reference to it.
    let store = unsafe { &mut *store.cast::<Store<T>>() };
    // SAFETY: `target` was given a value of `F`, which is `Copy`, and checked that its size is 0;
    // reading it reads no bytes.
    let function: F = unsafe { NonNull::dangling().read() };
    let mut caller = Caller {
        core: &mut store.core,
        data: &mut store.data,
        function: index,
    };
    let mut value = 0;
    // Boxed, so that the success path moves and drops no large value.
    let error = catch_unwind(AssertUnwindSafe(|| {
        match function.call(&mut caller, [p0, p1, p2, p3]) {
            Ok(result) => {
                value = result;
                None
            }
            Err(error) => Some(boxed(error)),
        }
    }));
    match error {
        Ok(None) => PlainReturn { value, ended: 0 },
        error => failed(&mut store.core, error),
    }
}

#[cold]
fn boxed(error: HostError) -> Box<HostError> {
    Box::new(error)
}

#[cold]
fn failed(core: &mut Core, error: std::thread::Result<Option<Box<HostError>>>) -> PlainReturn {
    let error = error.map(|error| error.map_or(Ok(()), |error| Err(*error)));
    PlainReturn {
        value: 0,
        ended: end(core, failure(error)).into(),
    }
}
