//! What is fixed for one kind of layer.

use crate::error::{check, text};
use crate::{fields_of, Result};
use flashjit_sys as sys;
use std::ffi::CStr;
use std::fmt;
use std::ptr::null;
use std::str::FromStr;

/// A spec; its fields are those of `fi_spec`: `spec.group = 4`.
#[derive(Clone, Copy)]
pub struct Spec(pub(crate) sys::fi_spec);

fields_of!(Spec, sys::fi_spec);

impl Default for Spec {
    /// bf16, causal, head dim 128, group 1, contiguous KV.
    fn default() -> Self {
        let mut spec: sys::fi_spec = unsafe { std::mem::zeroed() };
        unsafe { sys::fi_spec_init(&mut spec) };
        Spec(spec)
    }
}

impl Spec {
    /// Whether there is a kernel for a target ("sm_90a"; None: for any). Needs no GPU.
    pub fn check(&self, target: Option<&str>) -> Result<()> {
        let target = target.map(|name| text("target", name)).transpose()?;
        let pointer = target.as_ref().map_or(null(), |name| name.as_ptr());
        check(unsafe { sys::fi_spec_supported(&self.0, pointer) })
    }

    /// The canonical text: "attention hd=64 group=4".
    pub fn text(&self) -> Result<String> {
        let mut text = [0; sys::FI_SPEC_TEXT_SIZE];
        check(unsafe { sys::fi_spec_print(&self.0, text.as_mut_ptr(), text.len()) })?;
        Ok(unsafe { CStr::from_ptr(text.as_ptr()) }
            .to_string_lossy()
            .into_owned())
    }
}

impl FromStr for Spec {
    type Err = crate::Error;
    fn from_str(from: &str) -> Result<Self> {
        let mut spec = Spec::default();
        let from = text("the spec", from)?;
        check(unsafe { sys::fi_spec_parse(from.as_ptr(), &mut spec.0) })?;
        Ok(spec)
    }
}

impl fmt::Debug for Spec {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.text() {
            Ok(text) => write!(out, "Spec({text:?})"),
            Err(error) => write!(out, "Spec({error})"),
        }
    }
}
