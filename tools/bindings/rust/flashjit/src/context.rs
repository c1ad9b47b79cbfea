//! Where kernels are compiled, kept and loaded.

use crate::error::{check, text};
use crate::{cleared, Kernel, Result, Spec};
use flashjit_sys as sys;
use std::ffi::CString;
use std::ptr::{null, null_mut, NonNull};

/// What a context may do for a kernel that it does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Compile it.
    On,
    /// Load it from the cache.
    LoadOnly,
    /// Nothing.
    MemoryOnly,
}

impl Mode {
    fn number(self) -> u32 {
        match self {
            Mode::On => sys::FI_MODE_ON,
            Mode::LoadOnly => sys::FI_MODE_LOAD_ONLY,
            Mode::MemoryOnly => sys::FI_MODE_MEMORY_ONLY,
        }
    }
}

/// What is None is taken from the FLASHJIT_* variables, then from the defaults.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub mode: Option<Mode>,
    /// "sm_90a"; that of the current device.
    pub target: Option<String>,
    /// "": no cache.
    pub cache_dir: Option<String>,
    /// Separated by colons.
    pub read_only_dirs: Option<String>,
    pub nvrtc: Option<String>,
    /// Path of libcuda, or "sim": the simulator.
    pub driver: Option<String>,
    pub cache_bytes: u64,
    pub deadline_ms: u32,
}

/// Kernels by their specs. Threads may share it; a CUDA context must be current in those that get kernels.
pub struct Context(NonNull<sys::fi_ctx>);

unsafe impl Send for Context {}
unsafe impl Sync for Context {}

impl Context {
    pub fn new(options: &Options) -> Result<Context> {
        let texts = [
            ("target", &options.target),
            ("cache_dir", &options.cache_dir),
            ("read_only_dirs", &options.read_only_dirs),
            ("nvrtc", &options.nvrtc),
            ("driver", &options.driver),
        ];
        let mut kept: Vec<Option<CString>> = Vec::new();
        for (name, given) in texts {
            kept.push(given.as_ref().map(|given| text(name, given)).transpose()?);
        }
        let pointer = |number: usize| kept[number].as_ref().map_or(null(), |text| text.as_ptr());
        let mut struct_ = cleared!(sys::fi_options);
        struct_.mode = options.mode.map_or(sys::FI_MODE_DEFAULT, Mode::number);
        struct_.target = pointer(0);
        struct_.cache_dir = pointer(1);
        struct_.read_only_dirs = pointer(2);
        struct_.nvrtc = pointer(3);
        struct_.driver = pointer(4);
        struct_.cache_bytes = options.cache_bytes;
        struct_.deadline_ms = options.deadline_ms;
        let mut handle = null_mut();
        check(unsafe { sys::fi_ctx_create(&struct_, &mut handle) })?;
        Ok(Context(
            NonNull::new(handle).expect("fi_ctx_create gives a handle"),
        ))
    }

    /// The kernel of a spec: compiled at first use, about a second, then a look-up. It lives as long as the context.
    pub fn kernel(&self, spec: &Spec) -> Result<Kernel<'_>> {
        let mut handle = null_mut();
        check(unsafe { sys::fi_get_kernel(self.0.as_ptr(), &spec.0, &mut handle) })?;
        Ok(Kernel::new(
            NonNull::new(handle).expect("fi_get_kernel gives a handle"),
        ))
    }

    /// Compiles into the cache without loading; needs no GPU.
    pub fn precompile(&self, spec: &Spec) -> Result<sys::fi_facts> {
        let mut facts = cleared!(sys::fi_facts);
        check(unsafe { sys::fi_precompile(self.0.as_ptr(), &spec.0, &mut facts) })?;
        Ok(facts)
    }

    /// After warm-up: forbids compiling, or loading too.
    pub fn set_mode(&self, mode: Mode) -> Result<()> {
        check(unsafe { sys::fi_ctx_set_mode(self.0.as_ptr(), mode.number()) })
    }

    /// What has happened so far.
    pub fn counters(&self) -> Result<sys::fi_counters> {
        let mut counters = cleared!(sys::fi_counters);
        check(unsafe { sys::fi_counters_read(self.0.as_ptr(), &mut counters) })?;
        Ok(counters)
    }
}

impl Drop for Context {
    /// Unloads its kernels: none may be running.
    fn drop(&mut self) {
        unsafe { sys::fi_ctx_destroy(self.0.as_ptr()) }
    }
}
