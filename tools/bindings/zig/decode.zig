//! Decode attention of one request on the simulator: V of token t is t and Q is 0, so O is the mean of 0 to 6, 3.
//! usage: decode PATH-OF-THE-SIMULATOR

const std = @import("std");
const fi = @import("flashjit.zig");

extern fn dlopen(path: [*:0]const u8, flags: c_int) ?*anyopaque;
extern fn dlsym(library: *anyopaque, name: [*:0]const u8) ?*anyopaque;
extern fn puts(text: [*:0]const u8) c_int;

const Lookup = fn ([*:0]const u8, *?*anyopaque, c_int, u64, ?*c_int) callconv(.c) c_int;
var driver: *anyopaque = undefined;

fn must(status: c_int, what: [*:0]const u8) void {
    if (status == 0) return;
    _ = puts(what);
    _ = puts(fi.fi_last_error());
    std.process.exit(1);
}

/// A function of the driver, real or simulated.
fn function(comptime Signature: type, name: [*:0]const u8) *const Signature {
    const lookup: *const Lookup = @ptrCast(@alignCast(dlsym(driver, "cuGetProcAddress_v2").?));
    var found: ?*anyopaque = null;
    must(lookup(name, &found, 12000, 0, null), name);
    return @ptrCast(@alignCast(found.?));
}

fn room(bytes: usize) u64 {
    var address: u64 = 0;
    must(function(fn (*u64, usize) callconv(.c) c_int, "cuMemAlloc")(&address, @max(bytes, 1)), "cuMemAlloc");
    return address;
}

fn upload(comptime T: type, values: []const T) u64 {
    const bytes = values.len * @sizeOf(T);
    const address = room(bytes);
    const copy = function(fn (u64, *const anyopaque, usize) callconv(.c) c_int, "cuMemcpyHtoD");
    must(copy(address, values.ptr, bytes), "cuMemcpyHtoD");
    return address;
}

fn bf16(value: f32) u16 {
    return @intCast(@as(u32, @bitCast(value)) >> 16);
}

fn cleared(comptime T: type) T {
    var value = std.mem.zeroes(T);
    value.struct_size = @sizeOf(T);
    return value;
}

/// Called by the C library that it is linked with.
pub export fn main(count: c_int, arguments: [*][*:0]const u8) c_int {
    if (count != 2) return 2;
    driver = dlopen(arguments[1], 2) orelse {
        _ = puts("there is no simulator");
        return 1;
    };
    var current: ?*anyopaque = null;
    must(function(fn (c_uint) callconv(.c) c_int, "cuInit")(0), "cuInit");
    must(function(fn (*?*anyopaque, c_int) callconv(.c) c_int, "cuDevicePrimaryCtxRetain")(&current, 0), "retain");
    must(function(fn (?*anyopaque) callconv(.c) c_int, "cuCtxSetCurrent")(current), "cuCtxSetCurrent");

    var options = cleared(fi.fi_options);
    options.driver = arguments[1];
    var ctx: ?*fi.fi_ctx = null;
    must(fi.fi_ctx_create(&options, &ctx), "fi_ctx_create");
    defer fi.fi_ctx_destroy(ctx);
    var spec: fi.fi_spec = undefined;
    must(fi.fi_spec_parse("attention hd=32 group=2 page=4", &spec), "fi_spec_parse");
    var attention: ?*fi.fi_kernel = null;
    must(fi.fi_get_kernel(ctx, &spec, &attention), "fi_get_kernel");

    var workspace = cleared(fi.fi_workspace);
    workspace.max_requests = 1;
    workspace.max_tokens = 1;
    workspace.max_kv_len = 8;
    workspace.kv_heads = 1;
    must(fi.fi_workspace_size(attention, &workspace), "fi_workspace_size");
    workspace.memory = @ptrFromInt(room(workspace.bytes));
    workspace.scratch = @ptrFromInt(room(workspace.scratch_bytes));

    var batch = cleared(fi.fi_batch);
    batch.requests = 1;
    batch.kv_len = @ptrFromInt(upload(i32, &.{7}));
    batch.page_table = @ptrFromInt(upload(i32, &.{ 1, 0 }));
    batch.page_table_stride = 2;
    must(fi.fi_plan(attention, &batch, &workspace, null), "fi_plan");

    const zeros = std.mem.zeroes([256]u16);
    var v: [256]u16 = undefined;
    for (&v, 0..) |*bits, i| bits.* = bf16(@floatFromInt((i / 32 + 4) % 8)); // page 1 is the first
    const o = room(128);
    var tensors = cleared(fi.fi_tensors);
    tensors.q = @ptrFromInt(upload(u16, zeros[0..64]));
    tensors.o = @ptrFromInt(o);
    tensors.k.data = @ptrFromInt(upload(u16, &zeros));
    tensors.v.data = @ptrFromInt(upload(u16, &v));
    must(fi.fi_run(attention, &tensors, &workspace, null), "fi_run");

    var found: [64]u16 = undefined;
    const copy = function(fn (*anyopaque, u64, usize) callconv(.c) c_int, "cuMemcpyDtoH");
    must(copy(&found, o, 128), "cuMemcpyDtoH");
    for (found) |bits| if (bits != bf16(3)) {
        _ = puts("O is not 3");
        return 1;
    };
    _ = puts("Zig: all of O is 3, as it should be");
    return 0;
}
