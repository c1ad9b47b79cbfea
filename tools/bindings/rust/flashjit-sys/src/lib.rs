//! The C interface of flashjit as it is in flashjit.h, which explains it. The crate `flashjit` is the safe one.
#![allow(non_camel_case_types)]

#[rustfmt::skip]
mod bindings;
pub use bindings::*;
