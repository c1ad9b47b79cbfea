//! Decode attention of one request on the simulator, and what bad input gives.

use flashjit::{sys, Batch, Bounds, Context, Error, Options, Spec, Tensors};
use std::ffi::{c_void, CString};
use std::os::raw::{c_char, c_int};
use std::ptr::null_mut;

extern "C" {
    fn dlopen(path: *const c_char, flags: c_int) -> *mut c_void;
    fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
}

type Lookup =
    unsafe extern "C" fn(*const c_char, *mut *mut c_void, c_int, u64, *mut c_int) -> c_int;

/// A function of the simulator. A program on a GPU takes these from its own CUDA crate.
fn driver_function(name: &str) -> *mut c_void {
    let folder = std::env::var("FLASHJIT_LIB_DIR").expect("FLASHJIT_LIB_DIR");
    let path = CString::new(format!("{folder}/libflashjit-sim.so")).unwrap();
    let name = CString::new(name).unwrap();
    unsafe {
        let library = dlopen(path.as_ptr(), 2);
        assert!(!library.is_null(), "no simulator in {folder}");
        let lookup = dlsym(library, b"cuGetProcAddress_v2\0".as_ptr() as *const c_char);
        let lookup: Lookup = std::mem::transmute(lookup);
        let mut function = null_mut();
        assert_eq!(
            lookup(name.as_ptr(), &mut function, 12000, 0, null_mut()),
            0
        );
        function
    }
}

macro_rules! driver {
    ($name:expr, $signature:ty, $($argument:expr),*) => {
        unsafe {
            let function: $signature = std::mem::transmute(driver_function($name));
            assert_eq!(function($($argument),*), 0, $name);
        }
    };
}

fn make_current() {
    let mut context: *mut c_void = null_mut();
    driver!("cuInit", unsafe extern "C" fn(u32) -> c_int, 0);
    driver!(
        "cuDevicePrimaryCtxRetain",
        unsafe extern "C" fn(*mut *mut c_void, c_int) -> c_int,
        &mut context,
        0
    );
    driver!(
        "cuCtxSetCurrent",
        unsafe extern "C" fn(*mut c_void) -> c_int,
        context
    );
}

fn room(bytes: usize) -> u64 {
    let mut address = 0u64;
    driver!(
        "cuMemAlloc",
        unsafe extern "C" fn(*mut u64, usize) -> c_int,
        &mut address,
        bytes.max(1)
    );
    address
}

fn upload<T>(values: &[T]) -> u64 {
    let bytes = std::mem::size_of_val(values);
    let address = room(bytes);
    let from = values.as_ptr() as *const c_void;
    driver!(
        "cuMemcpyHtoD",
        unsafe extern "C" fn(u64, *const c_void, usize) -> c_int,
        address,
        from,
        bytes
    );
    address
}

fn context() -> Context {
    make_current();
    let driver = format!(
        "{}/libflashjit-sim.so",
        std::env::var("FLASHJIT_LIB_DIR").unwrap()
    );
    Context::new(&Options {
        driver: Some(driver),
        ..Options::default()
    })
    .unwrap()
}

#[test]
fn decode() {
    let ctx = context();
    let spec: Spec = "attention hd=32 group=2 rows=16 page=4".parse().unwrap();
    let attention = ctx.kernel(&spec).unwrap();
    assert_eq!(
        attention.spec().unwrap().text().unwrap(),
        "attention hd=32 group=2 rows=16 page=4"
    );
    let bounds = Bounds {
        max_requests: 1,
        max_tokens: 1,
        max_kv_len: 8,
        kv_heads: 1,
        ..Bounds::default()
    };
    let sizes = attention.sizes(&bounds).unwrap();
    let (memory, scratch) = (room(sizes.memory as usize), room(sizes.scratch as usize));
    let workspace = attention
        .workspace(&bounds, memory as *mut c_void, scratch as *mut c_void)
        .unwrap();

    let table = [1i32, 0];
    let mut batch = Batch::default();
    batch.requests = 1;
    batch.kv_len = upload(&[7i32]) as *const i32;
    batch.page_table = upload(&table) as *const c_void;
    batch.page_table_stride = 2;
    // Q is 0, so all logits are equal; V of token t is t: O is the mean of 0 to 6, that is 3. Page 1 is the first.
    let v: Vec<u16> = (0..2 * 4 * 32)
        .map(|i| bf16(((i / 32 + 4) % 8) as f32))
        .collect();
    let o = room(2 * 2 * 32);
    let mut tensors = Tensors::default();
    tensors.q = upload(&[0u16; 2 * 32]) as *const c_void;
    tensors.o = o as *mut c_void;
    tensors.k.data = upload(&[0u16; 2 * 4 * 32]) as *mut c_void;
    tensors.v.data = upload(&v) as *mut c_void;
    unsafe {
        attention.plan(&batch, &workspace, null_mut()).unwrap();
        attention
            .run(&tensors, Some(&workspace), null_mut())
            .unwrap();
    }
    let mut found = [0u16; 64];
    let to = found.as_mut_ptr() as *mut c_void;
    driver!(
        "cuMemcpyDtoH",
        unsafe extern "C" fn(*mut c_void, u64, usize) -> c_int,
        to,
        o,
        128
    );
    assert_eq!(found, [bf16(3.0); 64]);
    assert_eq!(ctx.counters().unwrap().kernels, 2); // the plan kernel, too

    tensors.v.data = null_mut();
    let error = unsafe { attention.run(&tensors, Some(&workspace), null_mut()) }.unwrap_err();
    assert_eq!(error.status, sys::FI_ERROR_ARGUMENT);
    assert!(
        error
            .to_string()
            .starts_with("FI_ERROR_ARGUMENT: tensors.v.data is NULL"),
        "{error}"
    );
}

fn bf16(value: f32) -> u16 {
    (value.to_bits() >> 16) as u16
}

#[test]
fn bad_specs_are_told() {
    let mut spec = Spec::default();
    spec.group = 129;
    let Error { status, sentence } = spec.check(Some("sm_90a")).unwrap_err();
    assert_eq!(status, sys::FI_ERROR_SPEC);
    assert_eq!(sentence, "group is 129; allowed: 1 to 128");
    assert_eq!(
        "attention heads=3".parse::<Spec>().unwrap_err().status,
        sys::FI_ERROR_SPEC
    );
    assert_eq!(
        "attention\0".parse::<Spec>().unwrap_err().sentence,
        "the spec has a zero byte"
    );
}

#[test]
fn contexts_and_kernels_are_shared_by_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Context>();
    shared::<flashjit::Kernel<'_>>();
}
