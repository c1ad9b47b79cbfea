//! What a failed call gives: the status, and the library's sentence.

use flashjit_sys as sys;
use std::ffi::CStr;
use std::fmt;

/// A failed call. `status` is an `FI_ERROR_` of flashjit.h.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    pub status: i32,
    pub sentence: String,
}

pub type Result<T> = std::result::Result<T, Error>;

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = unsafe { CStr::from_ptr(sys::fi_status_name(self.status)) };
        write!(out, "{}: {}", name.to_string_lossy(), self.sentence)
    }
}

impl std::error::Error for Error {}

/// Ok, or the error of this thread's last call.
pub(crate) fn check(status: i32) -> Result<()> {
    if status == sys::FI_OK {
        return Ok(());
    }
    let sentence = unsafe { CStr::from_ptr(sys::fi_last_error()) };
    Err(Error {
        status,
        sentence: sentence.to_string_lossy().into_owned(),
    })
}

/// Text for C. One with a zero byte in it is an error of the argument.
pub(crate) fn text(name: &str, text: &str) -> Result<std::ffi::CString> {
    std::ffi::CString::new(text).map_err(|_| Error {
        status: sys::FI_ERROR_ARGUMENT,
        sentence: format!("{name} has a zero byte"),
    })
}
