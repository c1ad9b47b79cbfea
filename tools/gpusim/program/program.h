/* Decoded programs: what the loader makes of PTX text and the executor runs.
 *
 * Every value of a warp lives in slots of 128 bytes. A word (also a 16-bit register, zero-extended) is 32
 * lanes of uint32_t in one slot; a wide value is 32 lanes of uint64_t in two slots; a quad is two wide
 * values; a predicate is one lane mask in the first four bytes of its slot. Constants and special registers
 * are slots as well, filled in when a warp starts, so that an instruction sees nothing but slots. */
#ifndef GPUSIM_PROGRAM_PROGRAM_H
#define GPUSIM_PROGRAM_PROGRAM_H

#include "ptx/tree.h"

enum { SIM_LANES = 32, SIM_SLOT_BYTES = 128, SIM_MAX_THREADS = 1024, SIM_MAX_WARPS = 32 };

struct sim_warp;
struct sim_inst;
struct sim_program;

typedef void (*sim_exec_fn)(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes);

/* Propagates undefined bytes from the sources to the destinations; runs before exec. */
typedef void (*sim_taint_fn)(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes);

enum sim_flow { SIM_FLOW_NEXT, SIM_FLOW_END };

enum { SIM_MAX_ADDRESSES = 3 };

/* Memory ordering of an access. */
enum { SIM_STRONG = 1, SIM_ACQUIRE = 2, SIM_RELEASE = 4, SIM_CTA_SCOPE = 8 };

struct sim_inst {
  sim_exec_fn exec;
  sim_taint_fn taint;
  uint32_t *operands;                 /* slots, destinations first */
  uint32_t *targets;                  /* branch targets */
  uint64_t immediate;                 /* an integer operand, or the entry of a called function */
  uint64_t offset[SIM_MAX_ADDRESSES]; /* of the address operands */
  uint32_t guard;                     /* slot of a predicate; a constant when there is none */
  uint32_t guard_flip;
  uint32_t line;
  uint16_t target_count;
  uint8_t destinations;
  uint8_t sources;
  uint8_t space;  /* ptx_space */
  uint8_t size;   /* bytes of an element */
  uint8_t count;  /* elements of a vector */
  uint8_t mode;   /* meaning belongs to the form */
  uint8_t order;  /* SIM_STRONG and friends; of a product the words of A in registers */
  uint8_t flow;   /* sim_flow */
  bool is_signed; /* elements are sign-extended */
  bool wide;      /* registers of the elements are wide */
  bool aligned;   /* all lanes of the warp execute it together */
  bool in_flight; /* its registers are in use until a wait: they share no slots */
  uint8_t address_count;
  uint8_t address_source[SIM_MAX_ADDRESSES]; /* which sources they are */
  bool address_wide[SIM_MAX_ADDRESSES];
  struct sim_call *call;
};

/* Argument bytes copied between call frames. */
struct sim_frame_copy {
  uint32_t from;
  uint32_t to;
  uint32_t size;
};

struct sim_call {
  struct sim_frame_copy *arguments;
  uint32_t argument_count;
  struct sim_frame_copy result; /* size 0: none */
};

enum sim_special {
  SIM_TID_X,
  SIM_TID_Y,
  SIM_TID_Z,
  SIM_NTID_X,
  SIM_NTID_Y,
  SIM_NTID_Z,
  SIM_CTAID_X,
  SIM_CTAID_Y,
  SIM_CTAID_Z,
  SIM_NCTAID_X,
  SIM_NCTAID_Y,
  SIM_NCTAID_Z,
  SIM_CLUSTERID_X,
  SIM_CLUSTERID_Y,
  SIM_CLUSTERID_Z,
  SIM_NCLUSTERID_X,
  SIM_NCLUSTERID_Y,
  SIM_NCLUSTERID_Z,
  SIM_CLUSTER_CTAID_X,
  SIM_CLUSTER_CTAID_Y,
  SIM_CLUSTER_CTAID_Z,
  SIM_CLUSTER_NCTAID_X,
  SIM_CLUSTER_NCTAID_Y,
  SIM_CLUSTER_NCTAID_Z,
  SIM_CLUSTER_CTARANK,
  SIM_CLUSTER_NCTARANK,
  SIM_LANEID,
  SIM_WARPID,
  SIM_NWARPID,
  SIM_SMID,
  SIM_NSMID,
  SIM_GRIDID,
  SIM_LANEMASK_EQ,
  SIM_LANEMASK_LT,
  SIM_LANEMASK_LE,
  SIM_LANEMASK_GT,
  SIM_LANEMASK_GE,
  SIM_DYNAMIC_SHARED,
  SIM_TOTAL_SHARED,
  SIM_ZERO,
  SIM_SPECIAL_COUNT
};

struct sim_special_slot {
  enum sim_special special;
  uint32_t slot;
};

struct sim_program {
  const char *name;
  const struct ptx_module *source;
  const struct ptx_function *entry;
  struct sim_inst *code;
  size_t code_count;
  size_t code_capacity;
  uint8_t *image; /* initial slots: constants */
  uint32_t image_slots;
  uint32_t slots; /* per warp */
  struct sim_special_slot *specials;
  size_t special_count;
  size_t special_capacity;
  uint32_t *parameter_offsets;
  uint32_t parameter_bytes;
  uint32_t static_shared;
  uint32_t local_bytes; /* per thread */
  uint32_t max_threads; /* .maxntid or 1024 */
  uint32_t registers;   /* per thread at the start, as ptxas divides them for .maxntid; 0: unknown */
};

void sim_program_destroy(struct sim_program *program);

extern const char *const sim_special_names[SIM_SPECIAL_COUNT];

#endif
