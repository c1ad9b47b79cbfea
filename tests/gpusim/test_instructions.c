/* Known answers of scalar instructions: every case is a line of PTX with its operands and its result by the
 * ISA. */
#include "fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The code reads %ra %rb %rc (words) or %la %lb %lc (wide) and writes %rd, %ld or %pd. */
struct known_answer {
  const char *code;
  uint64_t a;
  uint64_t b;
  uint64_t c;
  uint64_t expected;
};

#define F_ONE 0x3f800000u
#define F_TWO 0x40000000u
#define F_NAN 0x7fffffffu
#define F_INF 0x7f800000u
#define MINUS(x) ((uint32_t) - (x))

static const struct known_answer answers[] = {
    {"add.s32 %rd, %ra, %rb;", 0xffffffff, 3, 0, 2},
    {"add.s64 %ld, %la, %lb;", UINT64_MAX, 3, 0, 2},
    {"add.u16 %hd, %ha, %hb;", 0xffff, 3, 0, 2},
    {"sub.s32 %rd, %ra, %rb;", 1, 3, 0, 0xfffffffe},
    {"mul.lo.s32 %rd, %ra, %rb;", 0x10001, 0x10001, 0, 0x20001},
    {"mul.hi.u32 %rd, %ra, %rb;", 0xffffffff, 0xffffffff, 0, 0xfffffffe},
    {"mul.hi.s32 %rd, %ra, %rb;", 0xffffffff, 0xffffffff, 0, 0},
    {"mul.hi.u64 %ld, %la, %lb;", UINT64_MAX, UINT64_MAX, 0, UINT64_MAX - 1},
    {"mul.hi.s64 %ld, %la, %lb;", UINT64_MAX, 5, 0, UINT64_MAX},
    {"mul.wide.u32 %ld, %ra, %rb;", 0xffffffff, 2, 0, 0x1fffffffe},
    {"mul.wide.s32 %ld, %ra, %rb;", 0xffffffff, 2, 0, UINT64_MAX - 1},
    {"mul.wide.u16 %rd, %ha, %hb;", 0xffff, 0xffff, 0, 0xfffe0001},
    {"mul.wide.s16 %rd, %ha, %hb;", 0xffff, 2, 0, 0xfffffffe},
    {"mad.lo.s32 %rd, %ra, %rb, %rc;", 5, MINUS(3), 7, MINUS(8)},
    {"mad.wide.u32 %ld, %ra, %rb, %lc;", 0xffffffff, 2, 5, 0x200000003},
    {"mad.wide.s32 %ld, %ra, %rb, %lc;", 0xffffffff, 2, 5, 3},
    {"div.s32 %rd, %ra, %rb;", MINUS(7), 2, 0, MINUS(3)},
    {"div.s32 %rd, %ra, %rb;", 0x80000000, 0xffffffff, 0, 0x80000000},
    {"div.u32 %rd, %ra, %rb;", 7, 0, 0, 0xffffffff},
    {"rem.s32 %rd, %ra, %rb;", MINUS(7), 2, 0, MINUS(1)},
    {"rem.u64 %ld, %la, %lb;", 1000000007, 10, 0, 7},
    {"min.s32 %rd, %ra, %rb;", 0xffffffff, 1, 0, 0xffffffff},
    {"min.u32 %rd, %ra, %rb;", 0xffffffff, 1, 0, 1},
    {"max.s64 %ld, %la, %lb;", UINT64_MAX, 1, 0, 1},
    {"neg.s32 %rd, %ra;", 5, 0, 0, MINUS(5)},
    {"abs.s32 %rd, %ra;", MINUS(5), 0, 0, 5},
    {"shl.b32 %rd, %ra, %rb;", 1, 31, 0, 0x80000000},
    {"shl.b32 %rd, %ra, %rb;", 1, 32, 0, 0},
    {"shl.b64 %ld, %la, %rb;", 1, 63, 0, UINT64_C(1) << 63},
    {"shr.u32 %rd, %ra, %rb;", 0x80000000, 31, 0, 1},
    {"shr.s32 %rd, %ra, %rb;", 0x80000000, 40, 0, 0xffffffff},
    {"shr.s64 %ld, %la, %rb;", UINT64_C(1) << 63, 63, 0, UINT64_MAX},
    {"and.b32 %rd, %ra, %rb;", 12, 10, 0, 8},
    {"or.b32 %rd, %ra, %rb;", 12, 10, 0, 14},
    {"xor.b64 %ld, %la, %lb;", 12, 10, 0, 6},
    {"not.b32 %rd, %ra;", 0, 0, 0, 0xffffffff},
    {"lop3.b32 %rd, %ra, %rb, %rc, 0xca;", 0xff00ff00, 0x12345678, 0x9abcdef0, 0x12bc56f0},
    {"lop3.b32 %rd, %ra, %rb, %rc, 0x96;", 0xf0, 0xcc, 0xaa, 0x96},
    {"shf.l.wrap.b32 %rd, %ra, %rb, %rc;", 0x80000000, 1, 33, 3},
    {"shf.r.wrap.b32 %rd, %ra, %rb, %rc;", 0x80000000, 1, 31, 3},
    {"shf.l.clamp.b32 %rd, %ra, %rb, %rc;", 0xabcd, 1, 40, 0xabcd},
    {"shf.r.clamp.b32 %rd, %ra, %rb, %rc;", 1, 0xabcd, 40, 0xabcd},
    {"bfe.u32 %rd, %ra, %rb, %rc;", 0x12345678, 8, 12, 0x456},
    {"bfe.s32 %rd, %ra, %rb, %rc;", 0x00000f00, 8, 4, 0xffffffff},
    {"bfe.u32 %rd, %ra, %rb, %rc;", 0x12345678, 40, 12, 0},
    {"bfi.b32 %rd, %ra, %rb, %rc, 8;", 0xab, 0xffffffff, 4, 0xfffffabf},
    {"prmt.b32 %rd, %ra, %rb, %rc;", 0x33221100, 0x77665544, 0x7501, 0x77550011},
    {"prmt.b32 %rd, %ra, %rb, %rc;", 0x00008000, 0, 0x9999, 0xffffffff},
    {"popc.b32 %rd, %ra;", 0xf0f0, 0, 0, 8},
    {"popc.b64 %rd, %la;", UINT64_MAX, 0, 0, 64},
    {"clz.b32 %rd, %ra;", 0, 0, 0, 32},
    {"clz.b64 %rd, %la;", 1, 0, 0, 63},
    {"brev.b32 %rd, %ra;", 1, 0, 0, 0x80000000},
    {"bfind.u32 %rd, %ra;", 0x100, 0, 0, 8},
    {"bfind.s32 %rd, %ra;", 0xffffffff, 0, 0, 0xffffffff},
    {"bfind.shiftamt.u32 %rd, %ra;", 0x100, 0, 0, 23},
    {"dp2a.lo.u32.u32 %rd, %ra, %rb, %rc;", 0x00020003, 0x01020405, 10, 33},
    {"dp2a.hi.u32.u32 %rd, %ra, %rb, %rc;", 0x00020003, 0x01020405, 10, 18},
    {"dp2a.lo.s32.u32 %rd, %ra, %rb, %rc;", 0xffff0003, 0xff020405, 10, 21},
    {"dp2a.hi.s32.s32 %rd, %ra, %rb, %rc;", 0xffff0003, 0xff020405, 10, 17},
    {"dp4a.s32.s32 %rd, %ra, %rb, %rc;", 0xff010203, 0x02020202, 10, 20},
    {"sad.u32 %rd, %ra, %rb, %rc;", 3, 10, 1, 8},
    {"mov.b64 %ld, {%ra, %rb};", 1, 2, 0, 0x200000001},
    {"mov.b64 {%rd, %rb}, %la;", 0x200000001, 0, 0, 1},
    {"mov.b64 {%rb, %rd}, %la;", 0x200000001, 0, 0, 2},
    {"mov.b32 %rd, {%ha, %hb};", 1, 2, 0, 0x20001},
    {"mov.b32 {%hb, %hd}, %ra;", 0x20001, 0, 0, 2},
    {"mov.b64 %ld, {%ha, %hb, %hc, %ha};", 1, 2, 3, 0x1000300020001},
    {"selp.b32 %rd, %ra, %rb, %pt;", 1, 2, 0, 1},
    {"selp.b64 %ld, %la, %lb, !%pt;", 1, 2, 0, 2},
    {"slct.b32.s32 %rd, %ra, %rb, %rc;", 1, 2, 0xffffffff, 2},
    {"cvt.s64.s32 %ld, %ra;", 0xffffffff, 0, 0, UINT64_MAX},
    {"cvt.u64.u32 %ld, %ra;", 0xffffffff, 0, 0, 0xffffffff},
    {"cvt.s64.s32 %ld, %la;", 0x1ffffffff, 0, 0, UINT64_MAX},
    {"cvt.s32.s8 %rd, %ra;", 0x80, 0, 0, 0xffffff80},
    {"cvt.u32.u8 %rd, %ra;", 0x1ff, 0, 0, 0xff},
    {"cvt.u16.u32 %hd, %ra;", 0x12345, 0, 0, 0x2345},
    {"cvt.sat.s8.s32 %rd, %ra;", 300, 0, 0, 127},
    {"cvt.sat.u8.s32 %rd, %ra;", MINUS(5), 0, 0, 0},
    {"cvt.rzi.s32.f32 %rd, %ra;", 0xc0200000, 0, 0, MINUS(2)},
    {"cvt.rni.s32.f32 %rd, %ra;", 0x40200000, 0, 0, 2},
    {"cvt.rmi.s32.f32 %rd, %ra;", 0xc0200000, 0, 0, MINUS(3)},
    {"cvt.rpi.s32.f32 %rd, %ra;", 0x40200000, 0, 0, 3},
    {"cvt.rzi.u32.f32 %rd, %ra;", 0xc0200000, 0, 0, 0},
    {"cvt.rzi.s32.f32 %rd, %ra;", F_INF, 0, 0, 0x7fffffff},
    {"cvt.rzi.s32.f32 %rd, %ra;", F_NAN, 0, 0, 0},
    {"cvt.rn.f32.s32 %rd, %ra;", MINUS(3), 0, 0, 0xc0400000},
    {"cvt.rn.f32.u64 %rd, %la;", UINT64_C(1) << 40, 0, 0, 0x53800000},
    {"cvt.rn.f32.s64 %rd, %la;", 16777217, 0, 0, 0x4b800000},
    {"cvt.rni.f32.f32 %rd, %ra;", 0x40200000, 0, 0, F_TWO},
    {"cvt.sat.f32.f32 %rd, %ra;", F_TWO, 0, 0, F_ONE},
    {"cvt.f64.f32 %ld, %ra;", F_ONE, 0, 0, 0x3ff0000000000000},
    {"cvt.rn.f32.f64 %rd, %la;", 0x3ff0000010000000, 0, 0, F_ONE},
    {"cvt.rz.f64.u64 %ld, %la;", UINT64_MAX, 0, 0, 0x43efffffffffffff},
    {"cvt.rp.f64.s64 %ld, %la;", 0x20000000000001, 0, 0, 0x4340000000000001},
    {"cvt.rn.sat.f32.s32 %rd, %ra;", 7, 0, 0, F_ONE},
    {"cvt.rn.f16x2.f32 %rd, %ra, %rb;", F_ONE, F_TWO, 0, 0x3c004000},
    {"cvt.rn.bf16x2.f32 %rd, %ra, %rb;", F_ONE, F_TWO, 0, 0x3f804000},
    {"cvt.rn.bf16.f32 %hd, %ra;", 0x3f808000, 0, 0, 0x3f80},
    {"cvt.rn.bf16.f32 %hd, %ra;", 0x3f818000, 0, 0, 0x3f82},
    {"cvt.rm.f16.f32 %hd, %ra;", 0x3f801fff, 0, 0, 0x3c00},
    {"cvt.rp.f16.f32 %hd, %ra;", 0x3f800001, 0, 0, 0x3c01},
    {"cvt.rm.f16.f32 %hd, %ra;", 0xbf800001, 0, 0, 0xbc01},
    {"cvt.rp.f16.f32 %hd, %ra;", 0xbf801fff, 0, 0, 0xbc00},
    {"cvt.rm.f16.f32 %hd, %ra;", 0x80000001, 0, 0, 0x8001},
    {"cvt.rp.f16.f32 %hd, %ra;", 0x80000001, 0, 0, 0x8000},
    {"cvt.rm.f16.f32 %hd, %ra;", 0x477ff000, 0, 0, 0x7bff},
    {"cvt.rp.f16.f32 %hd, %ra;", 0x477fe001, 0, 0, 0x7c00},
    {"cvt.rm.f16.f32 %hd, %ra;", F_INF, 0, 0, 0x7c00},
    {"cvt.rp.f16.f32 %hd, %ra;", F_NAN, 0, 0, 0x7fff},
    {"cvt.rm.ftz.f16.f32 %hd, %ra;", 0x80000001, 0, 0, 0x8000},
    {"cvt.rm.sat.f16.f32 %hd, %ra;", 0x3f7fffff, 0, 0, 0x3bff},
    {"cvt.rm.f16.s32 %hd, %ra;", 2051, 0, 0, 0x6801},
    {"cvt.rp.f16.s32 %hd, %ra;", 2051, 0, 0, 0x6802},
    {"cvt.rz.f16.s32 %hd, %ra;", MINUS(2051), 0, 0, 0xe801},
    {"cvt.rm.f16.s32 %hd, %ra;", MINUS(2051), 0, 0, 0xe802},
    {"cvt.rz.f16.u32 %hd, %ra;", 0xffffffff, 0, 0, 0x7bff},
    {"cvt.rp.f16.u64 %hd, %la;", UINT64_MAX, 0, 0, 0x7c00},
    {"cvt.rm.f16.f64 %hd, %la;", 0x3ff0000000000001, 0, 0, 0x3c00},
    {"cvt.rp.f16.f64 %hd, %la;", 0x3ff0000000000001, 0, 0, 0x3c01},
    {"cvt.rz.f16.f64 %hd, %la;", 0x7fefffffffffffff, 0, 0, 0x7bff},
    {"cvt.rp.f16.bf16 %hd, %ha;", 1, 0, 0, 1},
    {"cvt.rm.bf16.f32 %hd, %ra;", 0x3f80ffff, 0, 0, 0x3f80},
    {"cvt.rp.bf16.f32 %hd, %ra;", 0x3f800001, 0, 0, 0x3f81},
    {"cvt.rm.bf16.f64 %hd, %la;", 0xffefffffffffffff, 0, 0, 0xff80},
    {"cvt.rp.bf16.f64 %hd, %la;", 0xffefffffffffffff, 0, 0, 0xff7f},
    {"cvt.rp.bf16.s32 %hd, %ra;", 257, 0, 0, 0x4381},
    {"cvt.rn.bf16.u64 %hd, %la;", 0x8080000000000001, 0, 0, 0x5f01},
    {"cvt.rn.bf16.s64 %hd, %la;", 0xbfbfffffffffffff, 0, 0, 0xde81},
    {"cvt.rp.bf16.u64 %hd, %la;", 0x8000000000000001, 0, 0, 0x5f01},
    {"cvt.rm.bf16.s64 %hd, %la;", 0xbfffffffffffffff, 0, 0, 0xde81},
    {"cvt.rm.bf16.f16 %hd, %ha;", 0xbc01, 0, 0, 0xbf81},
    {"cvt.f32.bf16 %rd, %ha;", 0x3f80, 0, 0, F_ONE},
    {"add.f32 %rd, %ra, %rb;", F_ONE, F_ONE, 0, F_TWO},
    {"add.sat.f32 %rd, %ra, %rb;", F_ONE, F_ONE, 0, F_ONE},
    {"add.ftz.f32 %rd, %ra, %rb;", 1, 0, 0, 0},
    {"add.f32 %rd, %ra, %rb;", 1, 1, 0, 2},
    {"fma.rn.f32 %rd, %ra, %rb, %rc;", 0x3f800001, 0x3f800001, 0xbf800002, 0x28800000},
    {"fma.rz.f32 %rd, %ra, %rb, %rc;", F_ONE, F_ONE, 0x33000000, F_ONE},
    {"fma.rp.f32 %rd, %ra, %rb, %rc;", F_ONE, F_ONE, 0x33000000, 0x3f800001},
    {"mul.f32 %rd, %ra, %rb;", F_TWO, 0xbf800000, 0, 0xc0000000},
    {"div.rn.f32 %rd, %ra, %rb;", F_ONE, F_TWO, 0, 0x3f000000},
    {"div.rn.f32 %rd, %ra, %rb;", 0x00ffffff, F_TWO, 0, 0x00800000},
    {"div.rn.ftz.f32 %rd, %ra, %rb;", 0x00ffffff, F_TWO, 0, 0},
    {"fma.rn.ftz.f32 %rd, %ra, %rb, %rc;", 0xbf7fffff, 0x00800000, 0, 0x80000000},
    {"mad.ftz.f32 %rd, %ra, %rb, %rc;", F_TWO, 0x7f000000, 0xff7fffff, 0x73800000},
    {"min.f32 %rd, %ra, %rb;", F_NAN, F_ONE, 0, F_ONE},
    {"max.f32 %rd, %ra, %rb;", 0x80000000, 0, 0, 0},
    {"min.f32 %rd, %ra, %rb;", 0x80000000, 0, 0, 0x80000000},
    {"max.NaN.f32 %rd, %ra, %rb;", F_NAN, F_ONE, 0, F_NAN},
    {"max.f32 %rd, %ra, %rb, %rc;", F_ONE, 0, F_TWO, F_TWO},
    {"neg.f32 %rd, %ra;", F_ONE, 0, 0, 0xbf800000},
    {"abs.f32 %rd, %ra;", 0xbf800000, 0, 0, F_ONE},
    {"ex2.approx.f32 %rd, %ra;", 0x40400000, 0, 0, 0x41000000},
    {"ex2.approx.ftz.f32 %rd, %ra;", 0xff800000, 0, 0, 0},
    {"ex2.approx.ftz.f32 %rd, %ra;", 0x43800000, 0, 0, F_INF},
    {"ex2.approx.f32 %rd, %ra;", 0xc30c0000, 0, 0, 0x200},
    {"lg2.approx.ftz.f32 %rd, %ra;", 0x41000000, 0, 0, 0x40400000},
    {"rcp.approx.ftz.f32 %rd, %ra;", F_TWO, 0, 0, 0x3f000000},
    {"rsqrt.approx.ftz.f32 %rd, %ra;", 0x40800000, 0, 0, 0x3f000000},
    {"sqrt.rn.f32 %rd, %ra;", 0x40800000, 0, 0, F_TWO},
    {"tanh.approx.f32 %rd, %ra;", 0, 0, 0, 0},
    {"copysign.f32 %rd, %ra, %rb;", 0x80000000, F_ONE, 0, 0xbf800000},
    {"add.f64 %ld, %la, %lb;", 0x3ff0000000000000, 0x3ff0000000000000, 0, 0x4000000000000000},
    {"add.f16x2 %rd, %ra, %rb;", 0x3c004000, 0x3c003c00, 0, 0x40004200},
    {"mul.bf16x2 %rd, %ra, %rb;", 0x40003f80, 0x40004000, 0, 0x40804000},
    {"fma.rn.f16x2 %rd, %ra, %rb, %rc;", 0x3c014000, 0x3c014000, 0xbc020000, 0x00104400},
    {"fma.rn.bf16x2 %rd, %ra, %rb, %rc;", 0x3f803f80, 0x3f804000, 0x3f803f80, 0x40004040},
    {"sub.f16 %hd, %ha, %hb;", 0x4000, 0x3c00, 0, 0x3c00},
    {"max.f16x2 %rd, %ra, %rb;", 0x3c00c000, 0x40003c00, 0, 0x40003c00},
    {"neg.bf16x2 %rd, %ra;", 0x3f803f80, 0, 0, 0xbf80bf80},
    {"neg.ftz.f16x2 %rd, %ra;", 0x3c0083ff, 0, 0, 0xbc000000},
    {"max.ftz.NaN.f16x2 %rd, %ra, %rb;", 0x7e0003ff, 0x3c008000, 0, 0x7fff0000},
    {"ex2.approx.ftz.bf16 %hd, %ha;", 0xc2fe, 0, 0, 0},
    {"setp.lt.s32 %pd, %ra, %rb;", 0xffffffff, 0, 0, 1},
    {"setp.lt.u32 %pd, %ra, %rb;", 0xffffffff, 0, 0, 0},
    {"setp.ge.u64 %pd, %la, %lb;", 5, 5, 0, 1},
    {"setp.ne.s32 %px|%pd, %ra, %rb;", 5, 5, 0, 1},
    {"setp.eq.and.s32 %pd, %ra, %rb, !%pt;", 5, 5, 0, 0},
    {"setp.eq.or.s32 %pd, %ra, %rb, %pt;", 5, 6, 0, 1},
    {"setp.lt.f32 %pd, %ra, %rb;", F_NAN, F_ONE, 0, 0},
    {"setp.ltu.f32 %pd, %ra, %rb;", F_NAN, F_ONE, 0, 1},
    {"setp.neu.f32 %pd, %ra, %rb;", F_NAN, F_NAN, 0, 1},
    {"setp.num.f32 %pd, %ra, %rb;", F_ONE, F_NAN, 0, 0},
    {"setp.nan.f32 %pd, %ra, %rb;", F_ONE, F_NAN, 0, 1},
    {"setp.eq.f16 %pd, %ha, %hb;", 0x8000, 0, 0, 1},
    {"setp.lt.f16 %pd, %ha, %hb;", 0x83ff, 0, 0, 1},
    {"setp.lt.ftz.f16 %pd, %ha, %hb;", 0x83ff, 0, 0, 0},
    {"setp.lt.ftz.f16x2 %pd|%px, %ra, %rb;", 0x83ff, 0, 0, 0},
    {"setp.lt.and.f16x2 %pd|%px, %ra, %rb, !%pt;", 0x3c003c00, 0x40004000, 0, 0},
    {"setp.lt.and.f16x2 %px|%pd, %ra, %rb, !%pt;", 0x3c003c00, 0x40004000, 0, 0},
    {"setp.lt.and.f16x2 %pd|%px, %ra, %rb, %pt;", 0x40003c00, 0x3c004000, 0, 1},
    {"setp.lt.and.f16x2 %px|%pd, %ra, %rb, %pt;", 0x40003c00, 0x3c004000, 0, 0},
    {"setp.lt.or.f16x2 %px|%pd, %ra, %rb, %pt;", 0x40003c00, 0x3c004000, 0, 1},
    {"setp.lt.xor.f16x2 %pd|%px, %ra, %rb, %pt;", 0x40003c00, 0x3c004000, 0, 0},
    {"setp.lt.xor.f16x2 %px|%pd, %ra, %rb, %pt;", 0x40003c00, 0x3c004000, 0, 1},
    {"setp.geu.or.ftz.f16x2 %px|%pd, %ra, %rb, %pt;", 0x83ff0000, 0x3c000000, 0, 1},
    {"setp.lt.and.s32 %px|%pd, %ra, %rb, !%pt;", 6, 5, 0, 0},
    {"setp.lt.and.s32 %pd|%px, %ra, %rb, %pt;", 5, 6, 0, 1},
    {"testp.infinite.f32 %pd, %ra;", F_INF, 0, 0, 1},
    {"testp.subnormal.f32 %pd, %ra;", 1, 0, 0, 1},
    {"xor.pred %pd, %pt, %pt;", 0, 0, 0, 0},
    {"mov.u32 %rd, %ntid.x;", 0, 0, 0, 32},
    {"mov.u32 %rd, %lanemask_lt;", 0, 0, 0, 0},
    {"mov.u32 %rd, WARP_SZ;", 0, 0, 0, 32},
    {"mov.u64 %ld, -1;", 0, 0, 0, UINT64_MAX},
    {"mov.f32 %rd, 0f3F800000;", 0, 0, 0, F_ONE},
    {"mov.f32 %rd, 1.5;", 0, 0, 0, 0x3fc00000},
    {"{ .reg .b32 %ra; mov.b32 %ra, 7; mov.b32 %rd, %ra; }", 1, 0, 0, 7},
    {"vote.sync.ballot.b32 %rd, %pt, -1;", 0, 0, 0, 0xffffffff},
    {"vote.sync.all.pred %pd, %pt, -1;", 0, 0, 0, 1},
    {"activemask.b32 %rd;", 0, 0, 0, 0xffffffff},
    {"redux.sync.add.s32 %rd, %ra, -1;", 3, 0, 0, 96},
    {"match.any.sync.b32 %rd, %ra, -1;", 3, 0, 0, 0xffffffff},
    {"shfl.sync.bfly.b32 %rd, %rl, 5, 31, -1;", 0, 0, 0, 5},
    {"shfl.sync.idx.b32 %rd|%px, %rl, 9, 31, -1;", 0, 0, 0, 9},
    {"shfl.sync.up.b32 %rd|%pd, %rl, 1, 0, -1;", 0, 0, 0, 0},
    {"shfl.sync.down.b32 %rd, %rl, 3, 31, -1;", 0, 0, 0, 3},
    {"shfl.sync.idx.b32 %rd, %rl, 9, 6175, -1;", 0, 0, 0, 1},
    {"bar.red.popc.u32 %rd, 0, %pt;", 0, 0, 0, 32},
    {"bar.red.and.pred %pd, 0, !%pt;", 0, 0, 0, 0},
    {"elect.sync %rd|%pd, -1;", 0, 0, 0, 1},
};

enum { COUNT = sizeof answers / sizeof *answers, TEXT_BYTES = 1 << 17 };

static const char prologue[] = ".version 8.5\n.target sm_90\n.address_size 64\n"
                               ".visible .entry k(.param .u64 in, .param .u64 out)\n{\n"
                               ".reg .pred %pd, %pt, %px; .reg .b16 %ha, %hb, %hc, %hd;\n"
                               ".reg .b32 %ra, %rb, %rc, %rd, %rl; .reg .b64 %la, %lb, %lc, %ld, %in, %out;\n"
                               "ld.param.u64 %in, [in]; ld.param.u64 %out, [out];\n"
                               "mov.u32 %rl, %laneid; setp.eq.u32 %pt, %rl, %rl;\n";

/* One case: inputs to registers, the code, and whichever result it wrote. */
static void append_case(char *text, size_t index) {
  const char *code = answers[index].code;
  char part[1024];
  snprintf(part, sizeof part,
           "ld.global.u64 %%la, [%%in+%zu]; ld.global.u64 %%lb, [%%in+%zu]; ld.global.u64 %%lc, [%%in+%zu];\n"
           "cvt.u32.u64 %%ra, %%la; cvt.u32.u64 %%rb, %%lb; cvt.u32.u64 %%rc, %%lc;\n"
           "cvt.u16.u32 %%ha, %%ra; cvt.u16.u32 %%hb, %%rb; cvt.u16.u32 %%hc, %%rc;\n%s\n",
           index * 24, index * 24 + 8, index * 24 + 16, code);
  strcat(text, part);
  if (strstr(code, "%pd"))
    strcat(text, "selp.b64 %ld, 1, 0, %pd;\n");
  else if (strstr(code, "%hd"))
    strcat(text, "cvt.u64.u16 %ld, %hd;\n");
  else if (strstr(code, "%rd"))
    strcat(text, "cvt.u64.u32 %ld, %rd;\n");
  snprintf(part, sizeof part,
           "@!%%pt bra SKIP%zu;\nsetp.ne.u32 %%px, %%rl, 0;\n@!%%px st.global.u64 [%%out+%zu], %%ld;\nSKIP%zu:\n",
           index, index * 8, index);
  strcat(text, part);
}

Test(gpusim_instructions, known_answers) {
  char *text = calloc(1, TEXT_BYTES);
  uint64_t operands[COUNT * 3];
  uint64_t results[COUNT];
  strcat(text, prologue);
  for (size_t i = 0; i < COUNT; i++) {
    operands[3 * i] = answers[i].a;
    operands[3 * i + 1] = answers[i].b;
    operands[3 * i + 2] = answers[i].c;
    append_case(text, i);
  }
  strcat(text, "ret;\n}\n");
  CUlibrary library;
  cr_assert_eq(sim_load(text, &library), CUDA_SUCCESS);
  CUdeviceptr in = sim_upload(operands, sizeof operands);
  CUdeviceptr out = sim_buffer(sizeof results);
  void *parameters[] = {&in, &out};
  cr_assert_eq(sim_launch(sim_kernel(library, "k"), 1, 32, 0, parameters), CUDA_SUCCESS);
  sim_download(results, out, sizeof results);
  for (size_t i = 0; i < COUNT; i++)
    cr_expect_eq(results[i], answers[i].expected, "%s a=%#llx b=%#llx c=%#llx: %#llx, expected %#llx", answers[i].code,
                 (unsigned long long)answers[i].a, (unsigned long long)answers[i].b, (unsigned long long)answers[i].c,
                 (unsigned long long)results[i], (unsigned long long)answers[i].expected);
  free(text);
}

/* A kernel of this code is not loaded, and the report has the words and the line. */
static void expect_refused(const char *code, const char *words) {
  char text[2048];
  char report[2048];
  CUlibrary library;
  snprintf(text, sizeof text, "%s%s\nret;\n}\n", prologue, code);
  cr_expect_eq(sim_load(text, &library), CUDA_ERROR_INVALID_PTX, "%s", code);
  sim_report_text(report, sizeof report);
  cr_expect(strstr(report, words) && strstr(report, "line 10"), "%s: %s", code, report);
}

/* What a text may ask of the host has limits. */
Test(gpusim_instructions, texts_that_ask_for_too_much_are_refused) {
  char braces[512];
  char lists[512];
  char pairs[512];
  memset(braces, '{', sizeof braces - 1);
  braces[sizeof braces - 1] = '\0';
  snprintf(lists, sizeof lists, "mov.b32 %%ra, %.200s", braces);
  strcpy(pairs, "setp.eq.u32 %pt");
  for (int i = 0; i < 100; i++)
    strcat(pairs, "|%pt");
  const struct {
    const char *code;
    const char *sentence;
  } cases[] = {
      {".reg .b32 %more<131072>;", "more than 131072 registers in a module"},
      {".reg .b32 %more<4294967295>;", "more than 131072 registers in a module"},
      {".reg .b32 %more<18446744073709551615>;", "more than 131072 registers in a module"},
      {".local .b8 more[67108865];", "more than 67108864 bytes of variables in a module"},
      {".local .b8 more[67108864]; .shared .b8 last[1];", "more than 67108864 bytes of variables in a module"},
      {".local .b64 more[4294967295][4294967297];", "more than 67108864 bytes of variables in a module"},
      {".local .align 0 .b8 more[4];", "an alignment is a power of two up to 4096, not 0"},
      {".local .align 12 .b8 more[4];", "an alignment is a power of two up to 4096, not 12"},
      {".local .align 4294967296 .b8 more[4];", "an alignment is a power of two up to 4096, not 4294967296"},
      {braces, "nested more than 64 deep"},
      {lists, "nested more than 64 deep"},
      {pairs, "nested more than 64 deep"},
  };
  sim_set("FLASHJIT_SIM_QUIET", "1");
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    expect_refused(cases[i].code, cases[i].sentence);
}

/* Forms that nobody emits are refused at load, by name and line. */
Test(gpusim_instructions, unknown_forms_are_named) {
  static const struct {
    const char *code;
    const char *name;
  } unknown[] = {
      {"frobnicate.u32 %ra, %rb;", "frobnicate.u32"},
      {"add.s31 %ra, %ra, %rb;", "add.s31"},
      {"add.s32 %ra, %rb;", "add.s32"},
      {"add.s32 %ra, %la, %rb;", "add.s32"},
      {"cvt.rm.f32.f16 %ra, %ha;", "cvt.rm.f32.f16"},
      {"cvt.rm.s32.f32 %ra, %rb;", "cvt.rm.s32.f32"},
      {"cvt.rmi.f16.f32 %ha, %rb;", "cvt.rmi.f16.f32"},
      {"cvt.f16.f32 %ha, %rb;", "cvt.f16.f32"},
      {"cvt.rm.f16.f16 %ha, %hb;", "cvt.rm.f16.f16"},
      {"cvt.rn.s32.s64 %ra, %lb;", "cvt.rn.s32.s64"},
      {"cvt.rm.ftz.f16.s32 %ha, %rb;", "cvt.rm.ftz.f16.s32"},
      {"cvt.rm.sat.bf16.f32 %ha, %rb;", "cvt.rm.sat.bf16.f32"},
      {"cvt.rn.bf16.u8 %ha, %rb;", "cvt.rn.bf16.u8"},
      {"tcgen05.fence::before_thread_sync;", "tcgen05.fence::before_thread_sync"},
      {"bra NOWHERE;", "unknown label"},
  };
  sim_set("FLASHJIT_SIM_QUIET", "1");
  for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
    expect_refused(unknown[i].code, unknown[i].name);
}
