// Decode attention of one request on the simulator: V of token t is t and Q is 0, so O is the mean of 0 to 6, 3.
//
// usage: decode FOLDER-OF-THE-SIMULATOR
package main

// #cgo LDFLAGS: -ldl
// #include <dlfcn.h>
// #include <stdint.h>
// #include <stdlib.h>
// typedef int lookup(const char *, void **, int, uint64_t, int *);
// static void *driver;
// static void *function_of(const char *name) {
//   void *function = NULL;
//   lookup *find = driver ? (lookup *)dlsym(driver, "cuGetProcAddress_v2") : NULL;
//   return find && find(name, &function, 12000, 0, NULL) == 0 ? function : NULL;
// }
// static int make_current(const char *path) {
//   void *context = NULL;
//   driver = dlopen(path, RTLD_NOW);
//   if (!driver || ((int (*)(unsigned))function_of("cuInit"))(0))
//     return 1;
//   return ((int (*)(void **, int))function_of("cuDevicePrimaryCtxRetain"))(&context, 0) ||
//          ((int (*)(void *))function_of("cuCtxSetCurrent"))(context);
// }
// static void *room(size_t bytes) {
//   uint64_t address = 0;
//   ((int (*)(uint64_t *, size_t))function_of("cuMemAlloc"))(&address, bytes ? bytes : 1);
//   return (void *)address;
// }
// static int upload(void *to, const void *from, size_t bytes) {
//   return ((int (*)(uint64_t, const void *, size_t))function_of("cuMemcpyHtoD"))((uint64_t)to, from, bytes);
// }
// static int download(void *to, void *from, size_t bytes) {
//   return ((int (*)(void *, uint64_t, size_t))function_of("cuMemcpyDtoH"))(to, (uint64_t)from, bytes);
// }
import "C"

import (
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"strings"
	"unsafe"

	"flashjit"
)

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func expect(holds bool, what string) {
	if !holds {
		must(errors.New(what))
	}
}

func room(bytes uint64) flashjit.Address {
	return C.room(C.size_t(bytes))
}

func upload[T any](values []T) flashjit.Address {
	bytes := uintptr(len(values)) * unsafe.Sizeof(values[0])
	to := room(uint64(bytes))
	expect(C.upload(to, unsafe.Pointer(&values[0]), C.size_t(bytes)) == 0, "cuMemcpyHtoD")
	return to
}

func bf16(value float32) uint16 {
	return uint16(math.Float32bits(value) >> 16)
}

func main() {
	runtime.LockOSThread()
	path := os.Args[1] + "/libflashjit-sim.so"
	expect(C.make_current(C.CString(path)) == 0, "no simulator: "+path)

	ctx, err := flashjit.NewContext(path)
	must(err)
	defer ctx.Close()
	spec, err := flashjit.ParseSpec("attention hd=32 group=2 page=4")
	must(err)
	attention, err := ctx.Kernel(spec)
	must(err)
	workspace, err := attention.Workspace(flashjit.Bounds{MaxRequests: 1, MaxTokens: 1, MaxKVLen: 8, KVHeads: 1}, room)
	must(err)

	v := make([]uint16, 2*4*32)
	for i := range v {
		v[i] = bf16(float32((i/32 + 4) % 8)) // page 1 is the first
	}
	o := room(2 * 2 * 32)
	batch := flashjit.NewBatch(1, upload([]int32{7}), upload([]int32{1, 0}), 2)
	tensors := flashjit.NewTensors(upload(make([]uint16, 64)), o, upload(make([]uint16, 256)), upload(v))
	must(attention.Plan(batch, workspace, nil))
	must(attention.Run(tensors, workspace, nil))
	found := make([]uint16, 64)
	expect(C.download(unsafe.Pointer(&found[0]), o, 128) == 0, "cuMemcpyDtoH")
	for _, bits := range found {
		expect(bits == bf16(3), "O is not 3")
	}

	err = attention.Run(flashjit.NewTensors(o, o, o, nil), workspace, nil)
	expect(err != nil && strings.HasPrefix(err.Error(), "FI_ERROR_ARGUMENT: tensors.v.data is NULL"), "no error")
	_, err = flashjit.ParseSpec("attention group=129")
	expect(err != nil && err.Error() == `FI_ERROR_SPEC: group is "129"; allowed: 1 to 128`, "no error of the group")
	fmt.Println("Go: all of O is 3, as it should be")
}
