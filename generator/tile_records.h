/*
 * Records that lie in a CTA's shared memory. Kernels are generated with this file in them, and tile plans take its
 * sizes, so it holds built-in types only.
 */
#ifndef GENERATOR_TILE_RECORDS_H
#define GENERATOR_TILE_RECORDS_H

/* What the warps need to know of a row of a tile. */
struct tile_row {
  int token;         /* in Q and O */
  int visible;       /* KV tokens that it sees */
  int part;          /* its row among the item's partial rows */
  int position;      /* that Q is rotated to, where an array has it */
  float query_scale; /* a power of two that its Q was divided by */
  int first;         /* KV token that it sees, where that is not 0 */
  int place;         /* of its token in the KV of its request */
};

/* What a KV token's elements are worth, where its scales are its own. Five words apart, tokens use different banks. */
struct token_worth {
  float key_scale;
  float value_log;     /* the base-2 logarithm of the scale of V */
  float value_inverse; /* and its inverse */
  int reserved[2];
};

/* The maxima of a tile's rows after a step, where warps share the rows but not the steps. */
struct step_maxima {
  float most[64];    /* largest score */
  float shrinks[64]; /* by what O and sums shrink, of warps whose maxima have moved */
  int moved[4];      /* by warp of the rows */
};

/* A thread's place in the KV that it copies, some steps ahead of the computation, running on from item to item. */
struct kv_loader {
  unsigned stage;   /* of the next step to compute */
  int next;         /* the item after the current one; -1: none */
  unsigned ahead;   /* lane l: its word l, so that going on to it does not wait for memory */
  int page;         /* of this lane's row of the next step; without pages kv_base of the current item */
  const void *pages; /* of the current item's request */
  int kv_head;
  int kv_end;
  int kv_begin; /* of the current item */
  int token;    /* first of the CTA's next step; none is left when it is not below kv_end */
};

/* The same where lists say which tokens there are; kv counts those of the list. */
struct list_loader {
  struct kv_loader kv;
  const int *list; /* of the current item */
  int entry;       /* of this lane's row of the step after the next one; -1: none */
  int token;       /* of this lane's row of the next step, in the KV of the request; -1: it is not seen */
  int first;       /* KV token that the item's query token may see .. */
  int end;         /* .. to before this one */
  int blocks;      /* that the KV has */
};

/*
 * The same where lists are of a second KV: list.first is of the first one, list.end and list.blocks are of the second.
 */
struct second_loader {
  struct list_loader list;
  const void *pages; /* of the second KV */
  int window;        /* tokens of the item's line that are of the first KV: those before the list's */
  int is_second;     /* whether this lane's row of the next step is of the second */
};

#endif
