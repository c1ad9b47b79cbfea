//! Plan once a step, run once a layer.

use crate::error::check;
use crate::{cleared, fields_of, Result, Spec};
use flashjit_sys as sys;
use std::ffi::c_void;
use std::marker::PhantomData;
use std::ptr::{null, NonNull};

/// A CUstream or cudaStream_t; null: the default stream.
pub type Stream = *mut c_void;

/// A kernel that is loaded. Any thread may use it, while its context lives.
#[derive(Clone, Copy)]
pub struct Kernel<'ctx> {
    handle: NonNull<sys::fi_kernel>,
    context: PhantomData<&'ctx crate::Context>,
}

unsafe impl Send for Kernel<'_> {}
unsafe impl Sync for Kernel<'_> {}

/// The bounds of a batch, which launch shapes depend on. See fi_workspace.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bounds {
    pub max_requests: u32,
    /// Query tokens of a step, all requests together.
    pub max_tokens: u32,
    pub max_kv_len: u32,
    pub kv_heads: u32,
    /// 0: as many as the device holds at once.
    pub ctas: u32,
    /// 0, or a multiple of 256.
    pub split_tokens: u32,
    /// Entries of the longest list, where the spec has `select`.
    pub max_selected: u32,
    /// Query tokens of the longest request: which kernels of a spec without rows are launched. 0: what the
    /// other requests leave of `max_tokens`.
    pub max_q_len: u32,
}

/// Bytes of device memory that a workspace needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    pub memory: u64,
    pub scratch: u64,
}

/// Bounds, and the device memory for them.
#[derive(Clone, Copy)]
pub struct Workspace(sys::fi_workspace);

/// The lengths of a step; its fields are those of `fi_batch`.
#[derive(Clone, Copy)]
pub struct Batch(sys::fi_batch);
fields_of!(Batch, sys::fi_batch);

impl Default for Batch {
    fn default() -> Self {
        Batch(cleared!(sys::fi_batch))
    }
}

/// The tensors of a launch; its fields are those of `fi_tensors`.
#[derive(Clone, Copy)]
pub struct Tensors(sys::fi_tensors);
fields_of!(Tensors, sys::fi_tensors);

impl Default for Tensors {
    fn default() -> Self {
        Tensors(cleared!(sys::fi_tensors))
    }
}

impl<'ctx> Kernel<'ctx> {
    pub(crate) fn new(handle: NonNull<sys::fi_kernel>) -> Self {
        Kernel {
            handle,
            context: PhantomData,
        }
    }

    /// The spec with every default filled in.
    pub fn spec(&self) -> Result<Spec> {
        let mut spec = Spec::default();
        check(unsafe { sys::fi_kernel_spec(self.handle.as_ptr(), &mut spec.0) })?;
        Ok(spec)
    }

    pub fn facts(&self) -> Result<sys::fi_facts> {
        let mut facts = cleared!(sys::fi_facts);
        check(unsafe { sys::fi_kernel_facts(self.handle.as_ptr(), &mut facts) })?;
        Ok(facts)
    }

    /// How much memory a workspace with these bounds needs, exactly.
    pub fn sizes(&self, bounds: &Bounds) -> Result<Sizes> {
        let found = self.sized(bounds)?;
        Ok(Sizes {
            memory: found.bytes,
            scratch: found.scratch_bytes,
        })
    }

    /// A workspace in memory of the caller's, of `sizes` and aligned to 256 bytes.
    pub fn workspace(
        &self,
        bounds: &Bounds,
        memory: *mut c_void,
        scratch: *mut c_void,
    ) -> Result<Workspace> {
        let mut workspace = self.sized(bounds)?;
        workspace.memory = memory;
        workspace.scratch = scratch;
        Ok(Workspace(workspace))
    }

    /// Splits a batch into work items, on the device: once a step.
    ///
    /// # Safety
    /// Pointers are device memory, alive until the last run of this plan has passed the stream.
    pub unsafe fn plan(&self, batch: &Batch, workspace: &Workspace, stream: Stream) -> Result<()> {
        check(sys::fi_plan(
            self.handle.as_ptr(),
            &batch.0,
            &workspace.0,
            stream,
        ))
    }

    /// Launches once: once a layer. Append by slots and merge take no workspace.
    ///
    /// # Safety
    /// Pointers are device memory of the extents that batch and strides say, alive until the stream has passed.
    pub unsafe fn run(
        &self,
        tensors: &Tensors,
        workspace: Option<&Workspace>,
        stream: Stream,
    ) -> Result<()> {
        let workspace = workspace.map_or(null(), |workspace| &workspace.0 as *const _);
        check(sys::fi_run(
            self.handle.as_ptr(),
            &tensors.0,
            workspace,
            stream,
        ))
    }

    fn sized(&self, bounds: &Bounds) -> Result<sys::fi_workspace> {
        let mut workspace = cleared!(sys::fi_workspace);
        workspace.max_requests = bounds.max_requests;
        workspace.max_tokens = bounds.max_tokens;
        workspace.max_kv_len = bounds.max_kv_len;
        workspace.kv_heads = bounds.kv_heads;
        workspace.ctas = bounds.ctas;
        workspace.split_tokens = bounds.split_tokens;
        workspace.max_selected = bounds.max_selected;
        workspace.max_q_len = bounds.max_q_len;
        check(unsafe { sys::fi_workspace_size(self.handle.as_ptr(), &mut workspace) })?;
        Ok(workspace)
    }
}
