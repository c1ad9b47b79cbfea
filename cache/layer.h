/* One bundle or directory of entries, and the rules for what in it is trusted. An entry is code that the GPU will run
 * with the caller's data, so a directory or file counts only when nobody else can have written it: its owner
 * is the effective user, and neither group nor others may write. In a read-only layer root may be the owner, and root's
 * group may write, as some container platforms want it in images. Whether others may read is of no matter: a kernel is
 * no secret. */
#ifndef FLASHJIT_CACHE_LAYER_H
#define FLASHJIT_CACHE_LAYER_H

#include "cache/bundle.h"
#include "cache/io.h"
#include "cache/reason.h"

struct cache_layer {
  const struct cache_io *io;
  char *root;    /* for messages */
  uid_t owner;   /* effective user when the store was opened */
  bool writable; /* the user's own directory; at most one, always the last */
  bool shared;   /* others may read what is made in it */
  int entries;   /* directory <root>/v1, or -1: a bundle, or not used */

  bool is_bundle;             /* root is its file, or says that it is in memory */
  struct cache_bundle bundle; /* no rows: not used */
  unsigned char *read;        /* the bytes of its file, to be freed */
};

/* Adds the reason, about `what` in this layer, when it does not. */
bool cache_layer_trusts(const struct cache_layer *layer, const char *what, const struct stat *status,
                        struct cache_reason *reason);

/* Of files that are made in the layer. */
mode_t cache_layer_file_mode(const struct cache_layer *layer);

/* Both return a directory, or -1 and errno. They tell a reason except where the directory just does not exist
 * (ENOENT). A writable layer's root is made together with its parents. Only the root may be a symbolic link:
 * where it points to is the user's choice, and the target is checked. */
int cache_layer_open_root(const struct cache_layer *layer, struct cache_reason *reason);
int cache_layer_open_below(const struct cache_layer *layer, int parent, const char *name, bool create,
                           struct cache_reason *reason);

#endif
