// Package flashjit calls the C library flashjit: attention kernels for LLM serving, generated and compiled at run time.
//
// A Context compiles and keeps Kernels by their specs. A Kernel plans a batch once a step and runs once a layer. Device
// memory and streams are the caller's: addresses are uintptr, those of flashjit.h's structs.
//
// The header and the library are found by pkg-config, or by CGO_CFLAGS and CGO_LDFLAGS.
package flashjit

// #cgo LDFLAGS: -lflashjit
// #include <flashjit.h>
// #include <stdlib.h>
import "C"

import (
	"runtime"
	"unsafe"
)

// Spec, Batch and Tensors are structs of flashjit.h: NewBatch and NewTensors clear them, with their size.
type (
	Spec      C.fi_spec
	Batch     C.fi_batch
	Tensors   C.fi_tensors
	Workspace C.fi_workspace
)

// Address is device memory, as the fields of the structs take it.
type Address = unsafe.Pointer

// Error is a failed call: an FI_ERROR_ of flashjit.h, and the library's sentence.
type Error struct {
	Status   int
	Sentence string
}

func (e *Error) Error() string {
	return C.GoString(C.fi_status_name(C.fi_status(e.Status))) + ": " + e.Sentence
}

// call runs a function of the library and reads its sentence on the same thread.
func call(function func() C.fi_status) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	status := function()
	if status == C.FI_OK {
		return nil
	}
	return &Error{int(status), C.GoString(C.fi_last_error())}
}

// ParseSpec reads "attention hd=64 group=4".
func ParseSpec(text string) (*Spec, error) {
	spec := new(Spec)
	from := C.CString(text)
	defer C.free(unsafe.Pointer(from))
	return spec, call(func() C.fi_status { return C.fi_spec_parse(from, (*C.fi_spec)(spec)) })
}

// Context holds kernels. A CUDA context must be current in the thread that gets kernels or launches: LockOSThread.
type Context struct{ handle *C.fi_ctx }

// NewContext makes one from the FLASHJIT_* variables; driver is the path of libcuda, "sim" or "".
func NewContext(driver string) (*Context, error) {
	ctx := new(Context)
	options := (*C.fi_options)(C.calloc(1, C.sizeof_fi_options))
	defer C.free(unsafe.Pointer(options))
	options.struct_size = C.sizeof_fi_options
	if driver != "" {
		options.driver = C.CString(driver)
		defer C.free(unsafe.Pointer(options.driver))
	}
	return ctx, call(func() C.fi_status { return C.fi_ctx_create(options, &ctx.handle) })
}

// Close unloads the kernels: none may be running.
func (ctx *Context) Close() {
	C.fi_ctx_destroy(ctx.handle)
	ctx.handle = nil
}

// Kernel lives as long as its context.
type Kernel struct{ handle *C.fi_kernel }

// Kernel is compiled at first use, about a second; then it is a look-up.
func (ctx *Context) Kernel(spec *Spec) (*Kernel, error) {
	kernel := new(Kernel)
	return kernel, call(func() C.fi_status {
		return C.fi_get_kernel(ctx.handle, (*C.fi_spec)(spec), &kernel.handle)
	})
}

// Bounds of a batch; MaxSelected is of lists, where the spec has select. MaxQLen says which kernels of a spec without
// rows are launched; 0: what the other requests leave of MaxTokens.
type Bounds struct{ MaxRequests, MaxTokens, MaxKVLen, KVHeads, MaxSelected, MaxQLen uint32 }

// Workspace with these bounds; its memory is allocate's, of which the kernel says how many bytes it needs.
func (kernel *Kernel) Workspace(bounds Bounds, allocate func(bytes uint64) Address) (*Workspace, error) {
	workspace := &C.fi_workspace{
		struct_size:  C.sizeof_fi_workspace,
		max_requests: C.uint32_t(bounds.MaxRequests),
		max_tokens:   C.uint32_t(bounds.MaxTokens),
		max_kv_len:   C.uint32_t(bounds.MaxKVLen),
		kv_heads:     C.uint32_t(bounds.KVHeads),
		max_selected: C.uint32_t(bounds.MaxSelected),
		max_q_len:    C.uint32_t(bounds.MaxQLen),
	}
	err := call(func() C.fi_status { return C.fi_workspace_size(kernel.handle, workspace) })
	if err == nil {
		workspace.memory = allocate(uint64(workspace.bytes))
		workspace.scratch = allocate(uint64(workspace.scratch_bytes))
	}
	return (*Workspace)(workspace), err
}

// NewBatch of so many requests, with tokens of KV and dense page tables of so many entries, on the device.
func NewBatch(requests uint32, kvLen, pageTable Address, pageTableStride int64) *Batch {
	return &Batch{
		struct_size:       C.sizeof_fi_batch,
		requests:          C.uint32_t(requests),
		kv_len:            (*C.int32_t)(kvLen),
		page_table:        pageTable,
		page_table_stride: C.int64_t(pageTableStride),
	}
}

// NewTensors of attention, packed, on the device.
func NewTensors(q, o, k, v Address) *Tensors {
	tensors := &Tensors{struct_size: C.sizeof_fi_tensors, q: q, o: o}
	tensors.k.data = k
	tensors.v.data = v
	return tensors
}

// Plan splits a batch into work items, on the device: once a step.
func (kernel *Kernel) Plan(batch *Batch, workspace *Workspace, stream Address) error {
	return call(func() C.fi_status {
		return C.fi_plan(kernel.handle, (*C.fi_batch)(batch), (*C.fi_workspace)(workspace), stream)
	})
}

// Run launches once: once a layer.
func (kernel *Kernel) Run(tensors *Tensors, workspace *Workspace, stream Address) error {
	return call(func() C.fi_status {
		return C.fi_run(kernel.handle, (*C.fi_tensors)(tensors), (*C.fi_workspace)(workspace), stream)
	})
}
