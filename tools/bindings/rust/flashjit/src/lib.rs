//! Attention kernels for LLM serving, generated and compiled at run time: the C library flashjit.
//!
//! A [`Context`] compiles and keeps [`Kernel`]s by their [`Spec`]s. A kernel plans a batch once a step and runs once a
//! layer. Device memory and streams are the caller's: what takes their pointers is `unsafe`. They must be device memory
//! of the extents that flashjit.h tells, alive until the stream has passed the call.

mod context;
mod error;
mod kernel;
mod spec;

pub use context::{Context, Mode, Options};
pub use error::{Error, Result};
pub use flashjit_sys as sys;
pub use kernel::{Batch, Bounds, Kernel, Sizes, Stream, Tensors, Workspace};
pub use spec::Spec;

/// The version of the library that is loaded: major * 1000000 + minor * 1000 + patch.
pub fn library_version() -> u32 {
    unsafe { sys::fi_library_version() }
}

/// A struct of flashjit.h that is cleared, with its size: all fields have their defaults.
macro_rules! cleared {
    ($kind:ty) => {{
        let mut cleared: $kind = unsafe { std::mem::zeroed() };
        cleared.struct_size = std::mem::size_of::<$kind>() as u32;
        cleared
    }};
}
pub(crate) use cleared;

/// The fields of a struct of flashjit.h are those of its wrapper.
macro_rules! fields_of {
    ($wrapper:ty, $kind:ty) => {
        impl std::ops::Deref for $wrapper {
            type Target = $kind;
            fn deref(&self) -> &$kind {
                &self.0
            }
        }
        impl std::ops::DerefMut for $wrapper {
            fn deref_mut(&mut self) -> &mut $kind {
                &mut self.0
            }
        }
    };
}
pub(crate) use fields_of;
