/* What attention computes in one layer, as a model defines it, whether or not there is a kernel for it. */
#ifndef TOOLS_FLASHJIT_MODEL_LAYER_H
#define TOOLS_FLASHJIT_MODEL_LAYER_H

#include "flashjit.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum rope_type {
  ROPE_DEFAULT,
  ROPE_LINEAR,
  ROPE_DYNAMIC,
  ROPE_LLAMA3,
  ROPE_YARN,
  ROPE_LONGROPE,
  ROPE_PROPORTIONAL,
  ROPE_LEARNED,
  ROPE_UNKNOWN
};

enum { MOST_PAIRS = 256 }; /* that a head may have */

/* Frequencies and pairs of rotated dims; of a field that the type does not have 0. */
struct rope {
  uint32_t pairing; /* FI_ROPE_* */
  uint32_t dims;    /* that are rotated */
  bool at_end;      /* the last dims of the head, not the first */
  double theta;
  enum rope_type type;
  char type_name[24]; /* as the config has it */
  double factor;
  double low_frequency;
  double high_frequency;
  double context; /* tokens that the model was trained on */
  double beta_fast;
  double beta_slow;
  bool no_truncation;               /* the bounds of YaRN's ramp are not whole numbers */
  double attention_factor;          /* cosine and sine are multiplied by it; 0: 1 */
  uint32_t turning_pairs;           /* proportional: the other pairs do not turn */
  uint32_t max_tokens;              /* longrope and dynamic: of the longest request */
  double short_factors[MOST_PAIRS]; /* longrope */
  double long_factors[MOST_PAIRS];
  uint32_t axes;          /* positions of a token; 0: one */
  uint32_t sections[3];   /* three positions: pairs that turn by time, height and width */
  uint32_t section_order; /* FI_SECTIONS_ */
};

enum layer_mask { LAYER_CAUSAL, LAYER_ALL_KEYS, LAYER_TWO_SIDED };

/* Multi-head latent attention: what a token keeps is one latent vector and one rotated key for all heads. */
struct latent {
  uint32_t rank; /* of the latent vector; 0: plain attention */
  uint32_t rope_dims;
  uint32_t plain_dims; /* of a head's key, not rotated */
};

/* What a query token sees is in lists of blocks, which an indexer makes; or beside a window, of compressed entries. */
struct selection {
  uint32_t block;       /* tokens of a block, or entries; 0: no lists */
  uint32_t entries;     /* of the longest list; 0: each list has all that there are */
  uint32_t ratio;       /* tokens to an entry, which is seen when these are; 0: lists are of tokens */
  bool by_head;         /* each KV head has a list of its own, by an index head of its own */
  uint32_t index_heads; /* of an indexer with a key for each token; 0: it is of another kind */
  uint32_t index_dim;
  uint32_t first_blocks; /* that every list has: the first ones, .. */
  uint32_t last_blocks;  /* .. and the last ones that a query token sees */
};

struct layer {
  char kind[32]; /* as in layer_types */
  bool attends;  /* false: it needs no kernel, reason says why */
  bool is_known; /* false: nobody knows what it does */
  const char *reason;
  uint32_t query_heads;
  uint32_t kv_heads;
  uint32_t head_dim; /* of Q and K */
  uint32_t v_dim;
  enum layer_mask mask;
  uint32_t window; /* keys that a query sees, itself among them; two-sided: on each side; 0: no bound */
  uint32_t chunk;  /* keys of other chunks are not seen; 0: no chunks */
  double scale;    /* 0: head_dim to the power of -1/2 */
  double softcap;  /* 0: none */
  bool has_sinks;
  bool has_slopes;       /* ALiBi */
  bool has_distances;    /* each head has a logit to add for each distance, whatever the query is */
  uint32_t rel_extent;   /* distances for which each query token and head has a logit of its own to add; 0: none */
  bool has_image_blocks; /* tokens of an image see each other both ways */
  bool shares_kv;        /* the layer appends nothing: it reads the cache of an earlier layer */
  bool is_cross;         /* its keys come from an encoder */
  bool keys_are_values;  /* V of a token is its K, rotated as that */
  char other[64];        /* what else it needs, such as a bias of the logits; "": nothing */
  char sparse[160];      /* how keys are selected; "": all that the mask shows */
  struct selection selection;
  struct latent latent;
  bool is_expanded; /* prefill of latent attention: keys and values of all heads are made of the latent vectors first */
  struct rope rope;
  uint32_t q_dtype;
  uint32_t kv_dtype; /* FI_DTYPE_DEFAULT: one that kv_type names */
  uint32_t v_dtype;  /* FI_DTYPE_DEFAULT: as kv_dtype */
  uint32_t kv_scale;
  char kv_type[16];
};

/*
 * KV heads of the cache and dims of their keys: of latent attention one head, which has the latent vector and the
 * rotated key.
 */
uint32_t layer_cached_heads(const struct layer *layer);
uint32_t layer_key_dim(const struct layer *layer);

/* What fi_tensors.softmax_scale is: 0 where it is that of the key's dims. */
double layer_softmax_scale(const struct layer *layer);

/* The description as an object, equal for equal layers; NULL when memory is out. */
json_t *layer_json(const struct layer *layer);

/* One line of it: heads, dims, and whatever is not plain causal attention. */
void layer_text(const struct layer *layer, char *text, size_t size);

#endif
